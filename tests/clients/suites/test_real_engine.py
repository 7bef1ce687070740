"""A short look at the real vLLM behind the server: LangChain and `llm`, answers of a few tokens."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from llm.cli import cli

QUESTION = "When is the status report due?"


def test_langchain_invokes_and_streams_the_same(url: str, key: str) -> None:
    there: dict[str, Any] = {"base_url": url, "api_key": key, "use_responses_api": False, "stream_usage": True}
    chat = ChatOpenAI(model="scrum-coach", temperature=0, max_tokens=16, **there)
    whole = chat.invoke(QUESTION)
    first, *rest = chat.stream(QUESTION)
    for chunk in rest:
        first += chunk
    assert whole.text
    assert first.text == whole.text
    assert whole.usage_metadata is not None
    assert first.usage_metadata is not None
    assert first.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]


def test_langchain_embeds_like_beside_like(url: str, key: str) -> None:
    there: dict[str, Any] = {"base_url": url, "api_key": key}
    embeddings = OpenAIEmbeddings(model="all-MiniLM-L6-v2", check_embedding_ctx_length=False, **there)
    lamp, light, tax = embeddings.embed_documents(["a lamp", "a light for the desk", "income tax law"])
    assert _likeness(lamp, light) > _likeness(lamp, tax) + 0.2


def test_llm_prompts(url: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    entry = f"- model_id: scrum-coach\n  model_name: scrum-coach\n  api_base: {url}\n"
    (tmp_path / "extra-openai-models.yaml").write_text(entry)
    asked = ["-n", "-m", "scrum-coach", "-o", "max_tokens", "16", "-o", "temperature", "0", QUESTION]
    done = CliRunner().invoke(cli, [*asked, "--key", key], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.output.strip()


def _likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
