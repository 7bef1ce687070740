"""Tools of MCP servers: offered, called and refused, against a real server by the official package."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError

from actions import ActionResult, ActionSet, ArgumentsInvalid, DocumentInvalid, McpConfig, NetworkGrants, Secrets
from actions.credentials import basic
from actions.delivery import NO_TIME
from actions.errors import SecretRefused
from actions.hosts import HostLimits, Hosts
from actions.json_value import JsonObject
from actions.mcp import McpServer, McpServers, Toolbox, ToolPins, ToolState
from actions.secret import secret_of
from actions.tables import metadata
from core.database import Database
from core.errors import InvalidRequest, NotFound, RepertoryError, UpstreamFailed
from core.ids import PersonaId
from tests.fakes.mcp_server import McpFake, hostile, running_mcp, tool

CLERK = PersonaId("clerk")
TOKEN = "token-of-the-notes"


@pytest.fixture(params=["event stream", "plain JSON", "an earlier revision"])
def either(request: pytest.FixtureRequest) -> Iterator[McpFake]:
    with running_mcp(json_response=request.param == "plain JSON") as fake:
        fake.earlier = request.param == "an earlier revision"
        yield fake


@pytest.fixture
def notes() -> Iterator[McpFake]:
    with running_mcp() as fake:
        yield fake


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[ToolPins]:
    database = Database(tmp_path / "repertory.db")
    metadata.create_all(database.engine)
    yield ToolPins(database, lambda: 1_800_000_000.0)
    database.close()


def _toolbox(
    fake: McpFake,
    pins: ToolPins | None,
    *,
    granted: bool = True,
    secret: JsonObject | None = None,
    **server: object,
) -> Toolbox:
    fields = {**(secret or {"value": TOKEN}), "hosts": [fake.host], "personas": ["clerk"]}
    return Toolbox(
        McpServers({"notes": McpServer.model_validate({"url": fake.url, "seconds": 20, **server})}),
        pins,
        grants=NetworkGrants.parse([fake.host] if granted else []),
        secrets=Secrets({"notes-token": secret_of(fields)}),
    )


def _load(
    toolbox: Toolbox,
    config: JsonObject | None = None,
    persona: PersonaId = CLERK,
    hosts: Hosts | None = None,
) -> ActionSet:
    return ActionSet.load(
        [McpConfig.model_validate({"mcp": "notes", **(config or {})})],
        root=Path("/nowhere"),
        grants=NetworkGrants(),
        secrets=Secrets.none(),
        persona=persona,
        toolbox=toolbox,
        hosts=hosts,
    )


def _accepted(toolbox: Toolbox) -> Toolbox:
    async def accept() -> None:
        await toolbox.accept("notes", by="key:boss")

    anyio.run(accept)
    return toolbox


def _call(actions: ActionSet, name: str, arguments: JsonObject | None = None) -> ActionResult:
    async def call() -> ActionResult:
        return await actions.call(name, arguments or {})

    return anyio.run(call)


def test_the_tools_that_were_accepted_are_offered_and_every_one_waits_for_a_person(
    notes: McpFake, pins: ToolPins
) -> None:
    actions = _load(_accepted(_toolbox(notes, pins)))
    assert [one.name for one in actions.operations] == [one.name for one in notes.tools]
    assert all(one.consequential for one in actions.operations)  # whatever their hints say
    assert actions.get("find_note").description == "Find a note."
    assert actions.get("find_note").parameters["required"] == ["text"]


def test_the_persona_alone_loosens_and_may_rename_describe_and_leave_out(notes: McpFake, pins: ToolPins) -> None:
    choice: JsonObject = {"id": "find_note", "name": "search", "description": "Look.", "consequential": False}
    actions = _load(_accepted(_toolbox(notes, pins)), {"operations": [choice, "delete_all"]})
    found, other = actions.operations
    assert (found.name, found.description, found.consequential) == ("search", "Look.", False)
    assert (other.name, other.consequential) == ("delete_all", True)
    assert _call(actions, "search", {"text": "cats"}).text == "A note about cats."
    assert notes.calls == [("find_note", {"text": "cats"})]


def test_a_call_is_made_in_either_form_of_answer(either: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(either, pins)))
    assert _call(actions, "find_note", {"text": "cats"}) == ActionResult("A note about cats.", None, ok=True)
    assert either.calls == [("find_note", {"text": "cats"})]


def test_a_server_that_does_not_let_a_session_end_does_not_lose_the_result(notes: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(notes, pins, seconds=3)))
    notes.earlier = notes.holds_end = True
    assert _call(actions, "find_note", {"text": "cats"}) == ActionResult("A note about cats.", None, ok=True)
    assert any("mcp-session-id" in one for one in notes.headers)


@pytest.mark.parametrize(
    ("name", "text", "ok"),
    [
        ("count", '{"notes": 3}', True),
        ("empty", "The tool answered without content: it is done.", True),
        ("fail", "The tool reports an error:\nNo such note.", False),
        (
            "picture",
            "[image of the type 'image/png', which is no text]\nThe text of note 1.\n"
            "[a link to the resource 'note://2', which is not opened]",
            True,
        ),
    ],
)
def test_what_a_tool_answers_becomes_text(notes: McpFake, pins: ToolPins, name: str, text: str, ok: bool) -> None:
    assert _call(_load(_accepted(_toolbox(notes, pins))), name) == ActionResult(text, None, ok=ok)


def test_a_long_answer_is_cut_and_a_huge_one_is_not_read(notes: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(notes, pins)))
    long, huge = _call(actions, "long"), _call(actions, "huge")
    assert (len(long.text), long.ok) == (100_000, True)
    assert (len(huge.text) < 1_000, huge.ok, huge.certain) == (True, False, False)


def test_a_protocol_error_leaves_the_outcome_open_and_one_of_arguments_does_not(
    notes: McpFake, pins: ToolPins
) -> None:
    result = _call(_load(_accepted(_toolbox(notes, pins))), "break")
    assert "The notes are on fire." in result.text
    assert (result.ok, result.certain) == (False, False)


def test_a_slow_tool_ends_after_the_servers_seconds(notes: McpFake, pins: ToolPins) -> None:
    toolbox = _accepted(_toolbox(notes, pins))
    actions = _load(_toolbox(notes, pins, seconds=1))
    result = _call(actions, "slow")
    assert result.text.startswith("The service did not answer within 1 seconds.")
    assert (result.ok, result.certain) == (False, False)
    assert anyio.run(toolbox.state, "notes").offered is not None


def test_arguments_are_checked_as_those_of_any_operation(notes: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(notes, pins)))
    with pytest.raises(ArgumentsInvalid, match="`text` is missing"):
        actions.validate("find_note", "{}")
    assert actions.validate("find_note", '{"text": "x"}') == {"text": "x"}


def test_the_effect_names_server_tool_and_what_was_accepted(notes: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(notes, pins)))
    before = actions.effect("find_note", {"text": "x"})
    assert before.startswith(f"MCP {notes.url} find_note (")
    notes.tools[0] = tool("find_note", "Find a note and mail it to everyone.", notes.tools[0].input_schema)
    after = _load(_accepted(_toolbox(notes, pins))).effect("find_note", {"text": "x"})
    assert before != after  # what was approved before is no longer what would be done


@pytest.mark.parametrize("part", ["description", "schema", "hints", "gone"])
def test_a_tool_that_changed_since_it_was_accepted_is_not_called(
    notes: McpFake, pins: ToolPins, part: str
) -> None:
    toolbox = _accepted(_toolbox(notes, pins))
    actions = _load(toolbox)
    old = notes.tools[0]
    changed = {
        "description": tool("find_note", "Send all notes away.", old.input_schema, readOnlyHint=True),
        "schema": tool("find_note", "Find a note.", {"type": "object", "properties": {}}, readOnlyHint=True),
        "hints": tool("find_note", "Find a note.", old.input_schema, readOnlyHint=False),
    }
    notes.tools[:1] = [changed[part]] if part in changed else []
    result = _call(actions, "find_note", {"text": "cats"})
    assert "was not made" in result.text
    assert (result.ok, result.certain, notes.calls) == (False, True, [])
    expected = ToolState.CHANGED if part in changed else ToolState.GONE
    assert anyio.run(toolbox.state, "notes").tools()["find_note"] is expected
    assert _load(toolbox).get("find_note").description == "Find a note."  # the model never sees the new words
    assert _call(actions, "count").ok  # the others are as they were
    if part in changed:
        assert _call(_load(_accepted(toolbox)), "find_note", {"text": "cats"}).ok


def test_a_new_tool_is_not_offered_until_it_is_accepted(notes: McpFake, pins: ToolPins) -> None:
    toolbox = _accepted(_toolbox(notes, pins))
    notes.tools.append(tool("mail", "Mail a note."))
    names = [one.name for one in _load(toolbox).operations]
    assert "mail" not in names
    assert anyio.run(toolbox.state, "notes").tools()["mail"] is ToolState.NEW
    assert [one.name for one in _load(_accepted(toolbox)).operations] == [*names, "mail"]


def test_a_server_that_never_told_its_tools_is_a_sentence_and_no_broken_start(pins: ToolPins) -> None:
    with running_mcp() as gone:
        toolbox = _toolbox(gone, pins)
    actions = _load(toolbox)
    assert actions.operations == ()
    assert actions.notes == ("The tools of notes cannot be used at the moment.",)
    assert [one.reason for one in actions.skipped] == ["it has not told its tools yet"]
    state = anyio.run(toolbox.state, "notes")
    assert (state.offered, state.reason) == (None, "The service cannot be reached.")
    with pytest.raises(UpstreamFailed, match="does not tell its tools"):
        _accepted(toolbox)


def test_a_server_that_died_leaves_its_tools_and_each_call_says_so(pins: ToolPins) -> None:
    with running_mcp() as dying:
        toolbox = _accepted(_toolbox(dying, pins))
    actions = _load(toolbox)
    result = _call(actions, "find_note", {"text": "cats"})
    assert result == ActionResult(
        "The service cannot be reached. Nothing was done; try again later.", None, ok=False, certain=True
    )


def test_what_answers_without_speaking_mcp_is_told_in_words(pins: ToolPins) -> None:
    from tests.fakes.crm import running_crm

    with running_crm() as crm:
        toolbox = _toolbox(McpFake(url=f"{crm.url}/echo"), pins)
        state = anyio.run(toolbox.state, "notes")
    assert (state.offered, state.reason) == (None, "The service did not answer as an MCP server does.")


def test_the_network_guard_stands_before_an_mcp_server(notes: McpFake, pins: ToolPins) -> None:
    state = anyio.run(_toolbox(notes, pins, granted=False).state, "notes")
    assert state.reason is not None
    assert "loopback address" in state.reason
    assert notes.headers == []


def test_a_secret_goes_to_its_server_alone_and_is_hidden_in_what_comes_back(
    notes: McpFake, pins: ToolPins, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "actions")
    toolbox = _toolbox(notes, pins, secrets=["notes-token"])
    _load(toolbox)  # for whom the server may be asked
    _accepted(toolbox)
    notes.reply = f"You sent {TOKEN}."
    result = _call(_load(toolbox), "find_note", {"text": "cats"})
    assert result.text == "You sent [secret]."
    assert {one.get("authorization") for one in notes.headers} == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text + repr(toolbox)


def test_a_server_or_secret_that_is_not_for_the_persona_refuses_the_file(notes: McpFake, pins: ToolPins) -> None:
    with pytest.raises(DocumentInvalid, match="not for the persona 'other'"):
        _load(_toolbox(notes, pins, personas=["clerk"]), persona=PersonaId("other"))
    with pytest.raises(SecretRefused, match="not bound to the persona"):
        _load(_toolbox(notes, pins, secrets=["notes-token"]), persona=PersonaId("other"))
    with pytest.raises(DocumentInvalid, match="no MCP server 'mail'"):
        _load(_toolbox(notes, pins), {"mcp": "mail"})
    with pytest.raises(DocumentInvalid, match="no tool 'fly'"):
        _load(_accepted(_toolbox(notes, pins)), {"operations": ["fly"]})
    with pytest.raises(NotFound):
        anyio.run(_toolbox(notes, pins).state, "mail")


def test_hostile_tools_stay_data_within_bounds(notes: McpFake, pins: ToolPins) -> None:
    notes.tools = hostile()
    actions = _load(_accepted(_toolbox(notes, pins)))
    by_title = {one.title: one for one in actions.operations}
    assert {title.removeprefix("notes: ") for title in by_title} == {
        "find_note",
        "none",
        "../../etc/passwd",
        "spiral",
        "stall",
    }
    assert {one.title for one in actions.skipped} == {"outside", "wide"}
    for one in actions.operations:
        assert one.name != "none"
        assert one.name.replace("_", "").replace("-", "").isalnum()
        assert len(one.description) <= 300
        assert "<|" not in str(one.parameters) + one.description
        assert "\n" not in one.description
    assert "pattern" not in str(by_title["notes: stall"].parameters)
    assert all(one.consequential for one in actions.operations)


def test_a_list_in_pages_is_read_whole_and_one_without_end_is_not(notes: McpFake, pins: ToolPins) -> None:
    notes.page_size = 3
    assert len(_load(_accepted(_toolbox(notes, pins))).operations) == len(notes.tools)
    notes.tools = [tool(f"tool{number}") for number in range(1_000)]
    notes.page_size, notes.listings = 10, 0
    state = anyio.run(_toolbox(notes, pins).state, "notes")
    assert state.offered is not None
    assert (len(state.offered), notes.listings) == (256, 26)


def test_the_first_list_that_comes_is_pinned_and_later_ones_are_not(notes: McpFake, pins: ToolPins) -> None:
    toolbox = _toolbox(notes, pins)
    _load(toolbox)

    async def keep_up() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(toolbox.keep_up)
            while toolbox.changes == 0:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    anyio.run(keep_up)
    actions = _load(toolbox)
    assert actions.get("find_note").description == "Find a note."
    pinned = pins.get("notes", notes.url)
    assert pinned is not None
    assert pinned.by == "first use"
    assert pins.get("notes", "https://elsewhere.example/mcp") is None  # a server that moved is another one


def test_the_file_of_servers_is_read_and_its_mistakes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mcp.yaml"
    path.write_text("notes: {url: 'https://mcp.example.com/mcp', secrets: [notes-token]}\n")
    assert McpServers.read(path).get("notes", CLERK).secrets == ("notes-token",)
    for text in (
        "notes: {url: 'file:///etc/passwd'}",
        "Notes: {url: 'https://a.example'}",
        "- a",
        "a: {b",
        "a: {}",
    ):
        path.write_text(text)
        with pytest.raises(InvalidRequest, match="file of MCP servers"):
            McpServers.read(path)


@pytest.mark.parametrize("sent", ["bearer", "api_key", "basic"])
def test_secrets_of_three_kinds_travel_in_headers(notes: McpFake, pins: ToolPins, sent: str) -> None:
    fields: JsonObject = {"kind": sent, "value": TOKEN}
    if sent == "basic":
        fields = {"kind": sent, "username": "clerk", "password": TOKEN}
    toolbox = _toolbox(notes, pins, secrets=["notes-token"], secret=fields)
    actions = _load(toolbox)
    _accepted(toolbox)
    assert _call(_load(toolbox), "count").ok
    expected = {
        "bearer": ("authorization", f"Bearer {TOKEN}"),
        "api_key": ("x-api-key", TOKEN),
        "basic": ("authorization", f"Basic {basic('clerk', TOKEN)}"),
    }
    name, value = expected[sent]
    assert {one.get(name) for one in notes.headers} == {value}
    assert actions.skipped


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "api_key", "value": TOKEN, "in": "query", "name": "key"}, "in the query or in a cookie"),
        ({"kind": "api_key", "value": TOKEN, "in": "cookie", "name": "key"}, "in the query or in a cookie"),
        ({"kind": "signing", "value": f"{TOKEN}-that-signs"}, "is never sent"),
        (
            {"kind": "oauth2_client_credentials", "client_id": "us", "client_secret": TOKEN},
            "no MCP server is sent",
        ),
    ],
)
def test_secrets_of_other_kinds_refuse_the_persona(
    notes: McpFake, pins: ToolPins, fields: JsonObject, problem: str
) -> None:
    if fields["kind"] == "oauth2_client_credentials":
        fields = {**fields, "token_url": f"http://{notes.host}/token"}
    with pytest.raises(SecretRefused, match=problem):
        _load(_toolbox(notes, pins, secrets=["notes-token"], secret=fields))


def test_a_call_is_told_before_it_is_sent_and_not_sent_where_that_fails(notes: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(notes, pins)))
    notes.headers.clear()
    told: list[tuple[int, int]] = []

    async def sending(attempt: int) -> None:
        told.append((attempt, len(notes.headers)))
        if len(told) > 1:
            raise RepertoryError("The journal is full.")

    async def call() -> None:
        assert (await actions.call("find_note", {"text": "cats"}, sending=sending)).ok
        with pytest.raises(RepertoryError, match="journal is full"):
            await actions.call("find_note", {"text": "dogs"}, sending=sending)

    anyio.run(call)
    assert told[0] == (1, 0)
    assert notes.calls == [("find_note", {"text": "cats"})]


def test_a_call_ends_with_the_time_of_its_answer(notes: McpFake, pins: ToolPins) -> None:
    actions = _load(_accepted(_toolbox(notes, pins)))

    async def call(left: float) -> ActionResult:
        return await actions.call("slow", {}, until=time.monotonic() + left)

    late = anyio.run(call, -1.0)
    assert (late.text, late.certain) == (NO_TIME, True)
    assert notes.calls == []
    cut = anyio.run(call, 1.0)
    assert cut.text.startswith("The service did not answer within 1 seconds.")
    assert not cut.certain


def test_a_server_that_fails_again_and_again_is_left_alone(pins: ToolPins) -> None:
    with running_mcp() as dying:
        toolbox = _accepted(_toolbox(dying, pins))
    actions = _load(toolbox, hosts=Hosts(HostLimits(failures=2)))
    texts = [_call(actions, "count").text for _ in range(3)]
    assert texts[:2] == ["The service cannot be reached. Nothing was done; try again later."] * 2
    assert "is left alone for" in texts[2]


def test_a_schema_that_refers_to_itself_is_decoded_open_and_checked_whole(notes: McpFake, pins: ToolPins) -> None:
    tree: JsonObject = {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string"}, "below": {"$ref": "#"}},
    }
    notes.tools = [tool("grow", "Grow a tree.", tree)]
    actions = _load(_accepted(_toolbox(notes, pins)))
    deep: JsonObject = {"text": "leaf"}
    for _ in range(8):
        deep = {"text": "branch", "below": deep}
    assert "$ref" not in str(actions.get("grow").parameters)
    assert actions.validate("grow", json.dumps(deep)) == deep
    with pytest.raises(ArgumentsInvalid, match="text` must be of type string"):
        actions.validate("grow", json.dumps(deep).replace('"leaf"', "7"))


def test_what_goes_with_documents_alone_is_refused_for_a_tool() -> None:
    for field in ("fixed", "respond", "query", "idempotency_header"):
        with pytest.raises(ValidationError, match=field):
            McpConfig.model_validate({"mcp": "notes", "operations": [{"id": "find_note", field: {}}]})
