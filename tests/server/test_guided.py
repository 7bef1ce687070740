"""Guided calling of a model that does not come to an end, and of an operation to which nothing can be said."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.crm import Crm, running_crm
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
DOCUMENT = """\
openapi: 3.1.0
info: {title: Contacts, version: "1"}
paths:
  /echo:
    get:
      operationId: look_up
      summary: Look a contact up.
      parameters:
        - {name: who, in: query, required: true, schema: {type: string}}
        - {name: where, in: query, schema: {type: string}}
      responses: {"200": {description: found}}
  /cookie:
    get:
      operationId: list_all
      summary: List all contacts.
      responses: {"200": {description: found}}
"""
CLERK = """\
id: clerk
name: Clerk
instructions: You keep contacts.
actions:
  - document: contacts.yaml
    server: URL
"""


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
async def clerk(start: Start, crm: Crm, tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    async with start({"clerk": CLERK.replace("URL", crm.url)}, private_hosts=crm.host) as gateway:
        yield gateway


@pytest.mark.parametrize("finish", ["length", "repetition"])
async def test_arguments_without_end_are_asked_for_once_more_and_shorter(
    clerk: Gateway, crm: Crm, finish: str
) -> None:
    endless = Reply(text='{"who": "Ada Ada Ada Ada Ada', finish=finish)
    clerk.engine.will("look_up", endless, '{"who": "Ada"}', "Ada is there.")
    answer = await clerk.ask("clerk", "Is Ada there?")
    _, first, second, _ = clerk.engine.requests
    assert answer.choices[0].message.content == "Ada is there."
    assert crm.requests == [("GET", "/echo")]
    assert second["messages"] == first["messages"]  # what has no end is not shown: it would be gone on with
    properties = {
        one: whole["response_format"]["format"]["json_schema"]["properties"]
        for one, whole in (("first", first), ("second", second))
    }
    assert properties["first"] == {"who": {"type": "string"}, "where": {"type": "string"}}
    assert properties["second"] == {"who": {"type": "string", "maxLength": 60}}
    assert "repetition_detection" in first
    assert "repetition_detection" not in second


async def test_arguments_that_never_end_are_not_sent(clerk: Gateway, crm: Crm) -> None:
    endless = Reply(text='{"who": "Ada Ada', finish="length")
    clerk.engine.will("look_up", endless, endless, "I could not look.")
    answer = await clerk.ask("clerk", "Is Ada there?")
    assert answer.choices[0].message.content == "I could not look."
    assert crm.requests == []
    assert "The call was not made." in clerk.engine.requests[-1]["messages"][-1]["content"]


async def test_the_model_is_not_asked_for_arguments_that_there_are_not(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will("list_all", "none", "Here they are.")
    answer = await clerk.ask("clerk", "Who is there?")
    assert answer.choices[0].message.content == "Here they are."
    assert crm.requests == [("GET", "/cookie")]
    assert [("response_format" in one) for one in clerk.engine.requests] == [False, False, False]
