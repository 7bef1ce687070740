"""Calls against a real service: encodings, limits, redirects, failures, and what the model reads of them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import pytest

from actions import ActionConfig, ActionResult, ActionSet, ArgumentsInvalid, NetworkGrants, Secrets
from actions.json_value import JsonObject
from core.ids import PersonaId
from tests.actions.documents import CRM, body, document, operation, parameter, write
from tests.fakes.crm import Crm, running_crm

ODDITIES = document(
    {
        "/echo": {
            "get": operation(operationId="echo", parameters=[parameter("q", "query"), parameter("X-T", "header")]),
            "post": operation(operationId="echo_post", requestBody=body({"type": "string"})),
        },
        "/long": {"get": operation(operationId="long")},
        "/slow": {"get": operation(operationId="slow"), "post": operation(operationId="slow_post")},
        "/broken": {"post": operation(operationId="broken")},
        "/redirect": {"get": operation(operationId="redirect", parameters=[parameter("to", "query")])},
        "/loop": {"get": operation(operationId="loop")},
        "/latin": {"get": operation(operationId="latin")},
        "/packed": {"get": operation(operationId="packed")},
        "/picture": {"get": operation(operationId="picture")},
        "/cookie": {"get": operation(operationId="cookie")},
        "/status/{code}": {"post": operation(operationId="status", parameters=[parameter("code", "path")])},
    }
)
UPDATE = "patch_crm_v3_objects_contacts_contactId_update"
READ = "get_crm_v3_objects_contacts_contactId_getById"
SEARCH = "post_crm_v3_objects_contacts_search_doSearch"
ARCHIVE = "delete_crm_v3_objects_contacts_contactId_archive"


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


def _load(folder: Path, crm: Crm, content: JsonObject | str, *, time_limit: float = 45) -> ActionSet:
    config = ActionConfig(document=write(folder, content, "api.yaml"), server=crm.url)
    return ActionSet.load(
        [config],
        root=folder,
        grants=NetworkGrants.parse([crm.host]),
        secrets=Secrets.none(),
        persona=PersonaId("tester"),
        time_limit=time_limit,
    )


def _call(actions: ActionSet, name: str, arguments: JsonObject, *, key: str | None = None) -> ActionResult:
    checked = actions.validate(name, json.dumps(arguments))
    return anyio.run(lambda: actions.call(name, checked, idempotency_key=key))


def test_a_json_body_arrives_as_the_document_says(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, CRM), SEARCH, {"filterGroups": [{"property": "a"}], "limit": 3})

    assert result.ok
    assert json.loads(result.text)["asked"] == {"filterGroups": [{"property": "a"}], "limit": 3}


def test_query_lists_follow_explode_and_absent_ones_are_left_out(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, CRM)

    effect = actions.effect(READ, {"contactId": "7", "properties": ["a b", "c"], "associations": ["x", "y"]})

    assert effect == f"GET {crm.url}/crm/v3/objects/contacts/7?properties=a%20b&properties=c&associations=x,y"


@pytest.mark.parametrize("value", ["a/b", "a?b=c", "a#b", "ä b", "%2e%2e", "x;y", "a\\b", "..."])
def test_a_path_value_stays_one_segment(tmp_path: Path, crm: Crm, value: str) -> None:
    actions = _load(tmp_path, crm, CRM)
    before = len(crm.requests)

    result = _call(actions, UPDATE, {"contactId": value, "properties": {}})

    (_, raw_path) = crm.requests[before]
    assert raw_path.count("/") == "/crm/v3/objects/contacts/x".count("/")
    assert json.loads(result.text)["id"] == value


@pytest.mark.parametrize("value", ["..", ".", "", "../deals/1", "a/../../b", "..\\x", "a\nb", "\x00"])
def test_a_path_value_cannot_climb(tmp_path: Path, crm: Crm, value: str) -> None:
    actions = _load(tmp_path, crm, CRM)

    with pytest.raises(ArgumentsInvalid, match="`contactId`"):
        actions.validate(ARCHIVE, json.dumps({"contactId": value}))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "snow ☃"])
def test_a_header_value_cannot_open_another_header(tmp_path: Path, crm: Crm, value: str) -> None:
    with pytest.raises(ArgumentsInvalid, match="`X-T`"):
        _load(tmp_path, crm, ODDITIES).validate("echo", json.dumps({"X-T": value}))


def test_an_action_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, CRM)

    with pytest.raises(ArgumentsInvalid, match=f"no action 'typo'. Choose one of: {SEARCH}"):
        actions.validate("typo", "{}")


def test_the_tools_are_those_of_the_openai_format(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, CRM)

    assert actions.tools()[3] == {
        "type": "function",
        "function": {
            "name": ARCHIVE,
            "description": "DELETE /crm/v3/objects/contacts/{contactId}",
            "parameters": {
                "type": "object",
                "properties": {"contactId": {"type": "string"}},
                "required": ["contactId"],
                "additionalProperties": False,
            },
        },
    }


def test_an_empty_answer_is_still_a_sentence(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, CRM), ARCHIVE, {"contactId": "7"})

    assert (result.status, result.ok) == (204, True)
    assert result.text == "The service answered with status 204 and no content: it is done."


@pytest.mark.parametrize(("code", "certain"), [(400, True), (404, True), (429, True), (500, True), (502, False)])
def test_a_refusal_is_worded_with_its_status(tmp_path: Path, crm: Crm, code: int, certain: bool) -> None:
    result = _call(_load(tmp_path, crm, ODDITIES), "status", {"code": str(code)})

    assert result == ActionResult(
        f"The service answered with status {code}:\nwhy: {code}", code, ok=False, certain=certain
    )


def test_a_long_answer_is_cut_at_100_000_characters_and_says_so(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, ODDITIES), "long", {})

    assert len(result.text) == 100_000
    assert result.text.endswith("[cut: the answer is longer]")


def test_a_long_request_is_not_sent(tmp_path: Path, crm: Crm) -> None:
    with pytest.raises(ArgumentsInvalid, match="longer than 100,000 characters"):
        _load(tmp_path, crm, ODDITIES).validate("echo_post", json.dumps({"body": "x" * 100_001}))


def test_the_idempotency_key_travels_with_writes_only(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, ODDITIES)

    written = json.loads(_call(actions, "echo_post", {"body": "x"}, key="appr-1").text)
    read = json.loads(_call(actions, "echo", {}, key="appr-1").text)

    assert written["headers"]["idempotency-key"] == "appr-1"
    assert "idempotency-key" not in read["headers"]


def test_a_service_that_stays_silent_ends_at_the_limit_with_an_unknown_outcome(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, ODDITIES, time_limit=0.3), "slow_post", {})

    assert (result.status, result.ok, result.certain) == (None, False, False)
    assert result.text.startswith("The service did not answer within 0.3 seconds. It is not known whether")


def test_a_connection_that_breaks_has_an_unknown_outcome(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, ODDITIES), "broken", {})

    assert (result.ok, result.certain) == (False, False)
    assert "It is not known whether" in result.text


def test_a_service_that_is_away_surely_did_nothing(tmp_path: Path) -> None:
    with running_crm() as gone:
        actions = _load(tmp_path, gone, ODDITIES)

    result = _call(actions, "broken", {})

    assert (result.ok, result.certain) == (False, True)
    assert "cannot be reached" in result.text


def test_a_redirect_is_followed_on_the_same_host_only(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, ODDITIES)

    same = _call(actions, "redirect", {"to": "/echo?q=there"})
    assert json.loads(same.text)["target"] == f"{crm.url}/echo?q=there"


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:{port}/echo",
        "http://169.254.169.254/latest",
        "http://u@127.0.0.1:{port}/echo",
        "//[::1]/echo",
    ],
)
def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path, crm: Crm, target: str) -> None:
    before = len(crm.requests)

    result = _call(_load(tmp_path, crm, ODDITIES), "redirect", {"to": target.format(port=crm.port)})

    assert (result.status, result.ok) == (302, False)
    assert len(crm.requests) == before + 1


def test_a_redirect_without_end_ends(tmp_path: Path, crm: Crm) -> None:
    before = len(crm.requests)

    result = _call(_load(tmp_path, crm, ODDITIES), "loop", {})

    assert (result.ok, len(crm.requests) - before) == (False, 4)
    assert "redirects without end" in result.text


def test_text_is_read_in_its_own_charset(tmp_path: Path, crm: Crm) -> None:
    assert _call(_load(tmp_path, crm, ODDITIES), "latin", {}).text == "größe"


def test_a_packed_answer_is_not_unpacked(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, ODDITIES), "packed", {})

    assert result.text == "[an answer in the encoding 'gzip', which was not asked for]"


def test_a_picture_is_named_not_shown(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, ODDITIES), "picture", {})

    assert result.text == "[an answer of the type 'image/png', which is no text]"


def test_a_cookie_of_one_call_does_not_reach_the_next(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, ODDITIES)

    async def twice() -> list[str]:
        return [(await actions.call("cookie", {})).text for _ in range(2)]

    assert anyio.run(twice) == ["cookies: none", "cookies: none"]


def test_an_address_that_is_not_granted_is_worded_for_the_model(tmp_path: Path, crm: Crm) -> None:
    config = ActionConfig(document=write(tmp_path, ODDITIES), server=crm.url)
    actions = ActionSet.load(
        [config], root=tmp_path, grants=NetworkGrants(), secrets=Secrets.none(), persona=PersonaId("tester")
    )
    before = len(crm.requests)

    result = _call(actions, "echo_post", {"body": "x"})

    assert (result.ok, result.certain) == (False, True)
    assert "may not be called" in result.text
    assert f"'{crm.host}' to REPERTORY_PRIVATE_HOSTS" in result.text
    assert len(crm.requests) == before


def test_the_host_header_is_that_of_the_name(tmp_path: Path, crm: Crm) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    config = ActionConfig(document=write(tmp_path, ODDITIES), server=f"http://crm.example:{crm.port}")
    actions = ActionSet.load(
        [config],
        root=tmp_path,
        grants=NetworkGrants.parse([f"crm.example:{crm.port}"]),
        secrets=Secrets.none(),
        persona=PersonaId("tester"),
        resolver=resolve,
    )

    assert json.loads(_call(actions, "echo", {}).text)["headers"]["host"] == f"crm.example:{crm.port}"
