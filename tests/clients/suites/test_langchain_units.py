"""LangChain's published unit suite for chat models: how `ChatOpenAI` is built from our address and key."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.unit_tests import ChatModelUnitTests

URL = "http://127.0.0.1:8000/v1"


class TestChatModelUnits(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "scrum-coach", "base_url": URL, "api_key": "none", "use_responses_api": False}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {name: value for name, value in super().standard_chat_model_params.items() if name != "api_key"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": URL}
        return environment, {"model": "scrum-coach"}, {"openai_api_base": URL, "openai_api_key": "none"}
