"""The whole road through the clients that people use, on the real engine."""

import shlex
from pathlib import Path

import httpx
import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from tests.clients.runs import Client
from tests.engine.server import RunningServer
from tests.fakes.hubspot import HubSpot

pytestmark = pytest.mark.anyio

REPORT = "When is the status report due?"


@pytest.fixture
def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def test_the_models_are_the_personas(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"scrum-coach", "support-agent", "compliance-guide"} <= names
    assert client.models.retrieve("scrum-coach").owned_by == "repertory"
    client.close()


def test_a_persona_answers_from_its_knowledge_with_its_adapter_and_cites(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="scrum-coach",
        messages=[{"role": "user", "content": REPORT}],
        max_tokens=60,
        temperature=0,
        extra_body={"repertory": {"include": True}},
    )
    told = answer.model_dump()["repertory"]
    assert told["adapter"] == "scrum-coach@1"
    assert told["retrieval"] == "found"
    assert {source["store"] for source in told["sources"]} == {"knowledge/scrum-coach"}
    message = answer.choices[0].message
    assert message.content
    for annotation in message.annotations or []:
        cited = annotation.url_citation
        assert 0 <= cited.start_index < cited.end_index <= len(message.content)
        page = httpx.get(cited.url.partition("#")[0], timeout=30)
        assert page.status_code == 200
        start, end = (int(part) for part in cited.url.rpartition("chars=")[2].split("-"))
        assert page.text[start:end].strip()
    assert message.annotations, message.content
    client.close()


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    question: openai.types.chat.ChatCompletionUserMessageParam = {"role": "user", "content": REPORT}
    whole = client.chat.completions.create(model="scrum-coach", messages=[question], max_tokens=30, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model="scrum-coach",
            messages=[question],
            max_tokens=30,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert {chunk.model for chunk in chunks} == {"scrum-coach"}
    client.close()


async def test_the_asynchronous_client_streams(server: RunningServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="compliance-guide",
            messages=[{"role": "user", "content": "Who reviews a customer from a high-risk country?"}],
            max_tokens=8,
            stream=True,
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text.strip()


def test_langchain_chats_and_streams(server: RunningServer) -> None:
    chat = ChatOpenAI(
        model="compliance-guide",
        base_url=f"{server.url}/v1",
        api_key=SecretStr("none"),
        max_completion_tokens=8,
        temperature=0,
        max_retries=0,
    )
    question = [HumanMessage("Which documents prove an address?")]
    answer = chat.invoke(question)
    assert answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] <= 8
    streamed = [str(chunk.content) for chunk in chat.stream(question)]
    assert "".join(streamed) == answer.content


def test_embeddings_put_like_beside_like(server: RunningServer) -> None:
    embeddings = OpenAIEmbeddings(
        model="all-MiniLM-L6-v2",
        openai_api_base=f"{server.url}/v1",
        openai_api_key=SecretStr("none"),
        check_embedding_ctx_length=False,
    )
    lamp, light, tax = embeddings.embed_documents(["a lamp", "a light for the desk", "income tax law"])
    assert len(lamp) == 384
    assert _dot(lamp, light) > _dot(lamp, tax) + 0.2


def test_the_newest_langchain_llm_and_ai_sdk_answer_stream_and_embed(
    server: RunningServer, tmp_path: Path
) -> None:
    outcome = Client(server.url, "none", tmp_path / "python").suite("real_engine")
    assert (outcome.passed, outcome.skipped, outcome.failed) == (3, {}, {}), outcome.said
    outcome = Client(server.url, "none", tmp_path / "node").node_suite("real-engine")
    assert (outcome.passed, outcome.skipped, outcome.failed) == (1, {}, {}), outcome.said


def test_a_ticket_is_searched_at_once_and_filed_after_approval(
    client: openai.OpenAI, server: RunningServer
) -> None:
    found = _ask(client, "Which open tickets do we have about the login page?")
    assert _operations(found) == ["search_tickets"]
    assert _tickets(server) == []

    asked = "Please file a ticket: the export button on the invoice page does nothing."
    waiting = _ask(client, asked)
    assert waiting.choices[0].finish_reason == "stop"
    pending = httpx.get(f"{server.url}/api/approvals?state=pending", headers=server.admin, timeout=30).json()[
        "data"
    ]
    assert [one["operation"] for one in pending] == ["create_ticket"]
    assert pending[0]["id"] in (waiting.choices[0].message.content or "")
    assert _tickets(server) == []

    decided = httpx.post(
        f"{server.url}/api/approvals/{pending[0]['id']}",
        json={"decision": "approve"},
        headers=server.admin,
    )
    assert decided.status_code == 200, decided.text
    done = _ask(client, asked)
    assert _operations(done) == ["create_ticket"]
    assert len(_tickets(server)) == 1
    client.close()


def test_a_contact_is_looked_up_in_the_crm_at_once(client: openai.OpenAI, hubspot: HubSpot) -> None:
    """The base model alone is weak, but what it calls is well-formed, reaches HubSpot's door, and only reads."""
    answer = _ask(client, "Search the contacts for Maren Aldersund.", persona="crm-assistant")

    steps = answer.model_dump()["repertory"]["steps"]
    assert (steps[0]["action"], steps[0]["state"]) == ("search_contacts", "done")
    assert set(hubspot.requests) <= {("POST", f"/crm/v3/objects/{kind}/search") for kind in ("contacts", "deals")}
    assert len(hubspot.notes()) == 1
    assert answer.choices[0].message.content
    client.close()


def _ask(client: openai.OpenAI, question: str, *, persona: str = "scrum-coach") -> ChatCompletion:
    return client.chat.completions.create(
        model=persona,
        messages=[{"role": "user", "content": question}],
        max_tokens=40,
        temperature=0,
        extra_body={"repertory": {"include": True}},
    )


def _operations(answer: ChatCompletion) -> list[str]:
    return [step["action"] for step in answer.model_dump()["repertory"]["steps"]]


def _tickets(server: RunningServer) -> list[str]:
    """Return the titles of the tickets that speak of the export button."""
    found = httpx.get(f"{server.tracker_url}/tickets", params={"query": "export button"}, timeout=30).json()
    return [one["title"] for one in found["tickets"] if "export button" in one["title"].lower()]


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_the_line_that_the_start_prints_works_when_pasted(server: RunningServer) -> None:
    printed = server.wait_printed("\ncurl ")
    assert "Repertory is ready" in printed
    for persona in ("scrum-coach", "support-agent", "compliance-guide"):
        assert persona in printed
    line = next(line for line in printed.splitlines() if line.startswith("curl "))
    _, url, _, header, _, body = shlex.split(line)
    name, _, value = header.partition(": ")
    pasted = httpx.post(url, headers={name: value}, content=body, timeout=120)
    assert pasted.status_code == 200, pasted.text
    assert pasted.json()["choices"][0]["message"]["content"]
