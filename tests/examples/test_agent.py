"""The example agent: LangChain's `create_agent` on a persona, with documents as its tool."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from core.principal import Scope
from examples.agent.documents import RepertoryRetriever
from server.settings import ROOT
from tests.fakes import scripted_model
from tests.fakes.engine import FakeEngine
from tests.server.conftest import Gateway, Start, anyio_backend, engine, start
from tests.server.serving import serving

__all__ = ["anyio_backend", "engine", "start"]


@pytest.fixture
def gateway(start: Start, engine: FakeEngine) -> Iterator[Gateway]:
    engine.model = scripted_model.answer
    with serving(start(require_keys=True)) as running:
        yield running


def test_the_agent_looks_into_the_documents_and_answers_from_them(gateway: Gateway) -> None:
    question = "Search the documents for 'when the library opens'."
    environment = {
        **os.environ,
        "REPERTORY_URL": gateway.base,
        "REPERTORY_KEY": gateway.secret("agent", Scope.CHAT, Scope.KNOWLEDGE),
        "REPERTORY_PERSONA": "plain",
        "REPERTORY_LIBRARY": "librarian",
    }
    done = subprocess.run(
        [sys.executable, "-m", "examples.agent", question],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The result is ")
    assert "The library opens at nine" in done.stdout
    assert "/v1/files/" in done.stdout
    asked, told = gateway.engine.requests
    assert asked["tools"][0]["function"]["name"] == "search_documents"
    assert told["messages"][-1]["role"] == "tool"


def test_the_retriever_tells_where_each_passage_stands_and_how_many_it_may_return(gateway: Gateway) -> None:
    key = SecretStr(gateway.secret("agent", Scope.CHAT, Scope.KNOWLEDGE))
    library = gateway.personas_dir.parent / "knowledge" / "library"
    (library / "late.md").write_text("# Late books\n\nWhoever brings a late book pays at the desk.\n")
    gateway.services.knowledge.sync("knowledge/library", library)
    retriever = RepertoryRetriever(url=gateway.base, key=key, persona="librarian", k=2)
    found = retriever.invoke("When does the library open, and what does a late book cost?")
    assert len(found) == 2
    assert len(retriever.invoke("When does the library open?", k=1)) == 1
    place = found[0].metadata
    assert place["store"] == "knowledge/library"
    assert place["source"] == (
        f"{gateway.base}/v1/files/{place['document']}/content#chars={place['start']}-{place['end']}"
    )
