"""LangChain's published suite for embeddings."""

import os
from typing import Any

from langchain_openai import OpenAIEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

URL, KEY = f"{os.environ['REPERTORY_URL']}/v1", os.environ["REPERTORY_KEY"]
PARAMS = {
    "model": "all-MiniLM-L6-v2",
    "base_url": URL,
    "api_key": KEY,
    "check_embedding_ctx_length": False,  # else it sends token numbers of OpenAI's tokenizer
}


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[OpenAIEmbeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return PARAMS


class TestEmbeddingsUnits(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[OpenAIEmbeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return PARAMS

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        given = {"model": PARAMS["model"], "check_embedding_ctx_length": False}
        return (
            {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": URL},
            given,
            {"openai_api_base": URL, "openai_api_key": KEY},
        )
