"""What all connectors share: what they offer, what waits for a person, and a persona's words over that."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
import xgrammar
import yaml
from jsonschema import Draft202012Validator
from xgrammar.testing import _is_grammar_accept_string

from actions import ActionConfig, ArgumentsInvalid, DocumentInvalid, Offered, Operation
from actions.composition import Pattern, placeholders
from actions.connector import Connector, names
from actions.decoding import decodable
from actions.document import Document
from actions.importer import read_operations
from actions.json_value import JsonObject, JsonValue
from actions.soql import BoundQuery
from core.ids import PrincipalId
from server.settings import ROOT
from tests.actions.connecting import EVENING, alone

SERVERS = {
    "salesforce": {"server": "https://org.my.salesforce.com"},
    "webhook": {"server": "https://x.example/hook"},
}
HARMLESS = {
    "hubspot": {
        *("search_contacts", "search_companies", "search_deals", "search_notes"),
        *("read_contact", "read_company", "read_deal", "read_note"),
        *("deals_of_contact", "deals_of_company", "notes_of_contact", "associations_of"),
    },
    "salesforce": {
        "find_contacts",
        "find_accounts",
        "opportunities_of_account",
        "read_record",
        "query",
        "next_page",
    },
    "slack": {"find_user_by_email", "read_thread"},
    "webhook": set[str](),
}
"""What may be done without a person, written down a second time: a change here is a decision."""

OWN = {"query": {"soql": "SELECT Id FROM Case WHERE Id = :case", "parameters": [{"name": "case", "type": "id"}]}}


def _offered(connector: str) -> tuple[Offered, ...]:
    """Return all operations of a connector, those included that a persona must name."""
    operations = [
        {"id": name} | (OWN if ours.query_argument and not ours.query else {})
        for name, ours in Connector.read(connector).operations.items()
    ]
    return alone(connector, operations=operations, **SERVERS.get(connector, {})).operations


ALL = [(connector, operation) for connector in names() for operation in _offered(connector)]
each = pytest.mark.parametrize(
    ("connector", "operation"), ALL, ids=[f"{connector}-{operation.name}" for connector, operation in ALL]
)


def test_there_are_four_connectors() -> None:
    assert names() == ("hubspot", "salesforce", "slack", "webhook")


@pytest.mark.parametrize("connector", names())
def test_only_what_reads_is_harmless(connector: str) -> None:
    assert {operation.name for operation in _offered(connector) if not operation.consequential} == HARMLESS[
        connector
    ]


def test_the_page_about_connectors_lists_every_operation_as_it_is() -> None:
    page = (ROOT / "docs/connectors.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)`( \\\*)? \| (at once|after approval) \| (.*) \|$", page, re.MULTILINE)
    there = [
        (
            name,
            "" if ours.offered else " \\*",
            "after approval" if ours.consequential else "at once",
            ours.description,
        )
        for connector in names()
        for name, ours in Connector.read(connector).operations.items()
    ]

    assert listed == there


def test_the_examples_of_the_page_about_connectors_load() -> None:
    page = (ROOT / "docs/connectors.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    entries = [entry for block in blocks for entry in block.get("actions", ())]
    operations = {"query": "salesforce", "post_message": "slack"}
    for block in blocks:
        for choice in block.get("operations", ()):
            name = choice if isinstance(choice, str) else choice["id"]
            connector = operations.get(name, "salesforce")
            entries.append({"connector": connector, "operations": [choice], **SERVERS.get(connector, {})})

    offered = [len(alone(**{key: entry[key] for key in entry if key != "secret"}).operations) for entry in entries]

    assert offered == [3, 7, 1, 1, 1, 1]


@each
def test_an_operation_is_described_for_a_small_model(connector: str, operation: Operation) -> None:
    properties = _properties(operation)

    assert len(operation.name) <= 30
    assert len(operation.description) <= 100
    assert operation.description.endswith(".")
    assert len(properties) <= 8
    Draft202012Validator.check_schema(operation.parameters)


@each
def test_what_a_model_writes_fills_the_request_as_the_document_has_it(
    connector: str, operation: Operation
) -> None:
    composition = operation.composition
    assert composition is not None
    for least in (True, False):
        arguments = _sample(composition.parameters, least=least)
        Draft202012Validator(composition.parameters).validate(arguments)
        composed = composition.compose(arguments, EVENING)
        Draft202012Validator(_document_schema(connector, operation)).validate(composed)
        assert "{" not in json.dumps([value for value in composed.values() if isinstance(value, str)])


@each
def test_the_grammar_of_guided_calling_takes_what_a_model_writes(connector: str, operation: Operation) -> None:
    schema = decodable(operation.parameters)[0]
    grammar = xgrammar.Grammar.from_json_schema(json.dumps(schema))
    strict = {
        name for name, part in _properties(operation).items() if isinstance(part, dict) and "pattern" in part
    }

    for least in (True, False):
        sample = _sample(operation.parameters, least=least)
        assert _is_grammar_accept_string(grammar, json.dumps(sample))
        for name in strict & sample.keys():
            assert not _is_grammar_accept_string(grammar, json.dumps(sample | {name: "x' OR y"}))


@each
def test_every_argument_is_used_and_every_placeholder_is_an_argument(connector: str, operation: Operation) -> None:
    if isinstance(operation.composition, Pattern):
        pattern = operation.composition
        used = placeholders(dict(pattern.filled)) | pattern.passed

        assert used == set(pattern.arguments)
        assert pattern.optional <= set(pattern.arguments)
    else:
        assert isinstance(operation.composition, BoundQuery)


def test_a_persona_chooses_and_says_things_its_own_way() -> None:
    choice = {"id": "search_contacts", "name": "who", "description": "Look a person up.", "consequential": True}
    who, deals = alone("hubspot", operations=[choice, "deals_of_contact"]).operations

    assert (who.name, who.description, who.consequential) == ("who", "Look a person up.", True)
    assert (deals.name, deals.consequential) == ("deals_of_contact", False)
    assert deals.description == "List the deals of one contact by the contact's id."


def test_a_persona_may_ask_for_less_and_the_same_operation_twice() -> None:
    one = {"id": "post_message", "name": "tell_sales", "description": "Tell the sales channel."}
    operations = alone("slack", operations=[one, "post_message"]).operations

    assert [operation.name for operation in operations] == ["tell_sales", "post_message"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"connector": "hubsport"}, "no connector 'hubsport'. There are: hubspot, salesforce, slack, webhook"),
        ({"connector": "../secrets"}, "no connector"),
        (
            {"connector": "slack", "operations": ["delete_everything"]},
            "'slack' has no operation 'delete_everything'",
        ),
        ({"connector": "slack", "operations": ["chat.postMessage"]}, "has no operation"),
        ({"connector": "slack", "server": "file:///etc/passwd"}, "no absolute http"),
        ({"connector": "slack", "deny": ["delete_everything"]}, "'slack' has no operation 'delete_everything'"),
        ({"connector": "webhook", "server": {"variables": {}}}, "'webhook' needs the whole address"),
        (
            {"connector": "slack", "operations": [{"id": "post_message", "fixed": {"colour": "red"}}]},
            "'post_message' of 'slack' has no argument 'colour' to fix. It has: channel, text, thread_ts",
        ),
        (
            {"connector": "slack", "operations": [{"id": "post_message", "fixed": {"channel": "general"}}]},
            "cannot have 'channel' fixed so",
        ),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(DocumentInvalid, match=says):
        alone(**fields)


def test_what_a_persona_fixes_the_model_neither_sees_nor_writes() -> None:
    tell = {"id": "post_message", "fixed": {"channel": "C0123ABCD"}, "respond": "ts"}
    actions = alone("slack", operations=[tell])
    (operation,) = actions.operations

    assert operation.parameters["required"] == ["text"]
    assert list(_properties(operation)) == ["text", "thread_ts"]
    assert json.loads(actions.prepare("post_message", {"text": "x"}).content or b"")["channel"] == "C0123ABCD"
    with pytest.raises(ArgumentsInvalid, match="`channel` must be left out"):
        actions.validate("post_message", '{"text": "x", "channel": "C0999"}')


def test_a_place_of_a_query_can_be_fixed_to_who_asks() -> None:
    query = {
        "soql": "SELECT Id FROM Case WHERE Owner.Email = :me AND Subject LIKE :words",
        "parameters": [{"name": "me"}, {"name": "words", "type": "contains"}],
    }
    mine = {"id": "query", "name": "my_cases", "query": query, "fixed": {"me": "{principal.id}"}}
    actions = alone("salesforce", server="https://org.my.salesforce.com", operations=[mine])

    checked = actions.validate("my_cases", '{"words": "roof"}')
    url = str(actions.for_caller(PrincipalId("o'hara@x.example")).prepare("my_cases", checked).url)

    assert list(_properties(actions.get("my_cases"))) == ["words"]
    assert unquote(url).endswith("WHERE Owner.Email = 'o\\'hara@x.example' AND Subject LIKE '%roof%'")


def test_a_persona_denies_by_name_or_by_pattern() -> None:
    actions = alone("hubspot", deny=["create_*", "update_*", "associate"])

    assert {operation.name for operation in actions.operations if operation.consequential} == {
        *("add_note_to_contact", "add_note_to_company", "add_note_to_deal")
    }
    assert {(one.title, one.denied) for one in actions.skipped} >= {("associate", True), ("create_deal", True)}
    assert alone("slack", deny=["*"]).operations == ()


def test_the_org_of_salesforce_can_be_given_by_its_name_alone() -> None:
    actions = alone("salesforce", server={"variables": {"org": "acme"}})

    assert {operation.server for operation in actions.operations} == {"https://acme.my.salesforce.com"}


def test_the_services_of_the_vendors_are_called_at_their_own_addresses() -> None:
    assert {operation.server for operation in alone("hubspot").operations} == {"https://api.hubapi.com"}
    assert {operation.server for operation in alone("slack").operations} == {"https://slack.com/api"}


def test_a_pattern_leaves_out_what_an_absent_argument_would_fill() -> None:
    pattern = Pattern(
        arguments={"a": {"type": "string"}, "b": {"type": "number"}},
        optional=frozenset({"a", "b"}),
        filled={
            "x": {"a": "{a}", "b": ["{b}", "{b:text}", "b={b}", "{unknown}"], "c": 1, "d": None, "{a}": "{A}"}
        },
    )

    assert pattern.compose({"a": "{b}", "b": 1.5}, 0) == {
        "x": {"a": "{b}", "b": [1.5, "1.5", "b=1.5"], "c": 1, "d": None, "{a}": "{A}"}
    }
    assert pattern.compose({}, 0) == {"x": {"b": [], "c": 1, "d": None, "{a}": "{A}"}}


def _properties(operation: Offered) -> JsonObject:
    properties = operation.parameters["properties"]
    assert isinstance(properties, dict)
    return properties


def _document_schema(connector: str, operation: Operation) -> JsonObject:
    """Return the schema of the operation's arguments as the connector's document has it."""
    document = Document(connector, Connector.read(connector).document)
    config = ActionConfig(document=connector, server="https://x.example")
    plain = {one.title: one.parameters for one in read_operations(document, config)[0]}
    return plain[operation.title]


def _sample(schema: JsonObject, *, least: bool) -> JsonObject:
    properties, required = schema["properties"], schema.get("required", [])
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    return {name: _value(name, part) for name, part in properties.items() if not least or name in required}


def _value(name: str, schema: JsonValue) -> JsonValue:
    assert isinstance(schema, dict)
    known = {"id": "001000000000001AAA", "account_id": "001000000000001AAA", "case": "001000000000001AAA"}
    if schema.get("pattern") and not str(schema["pattern"]).startswith("^[0-9]"):
        patterned = known | {"channel": "C0123ABCD", "object": "Contact", "page": "01g000000000001AAA-200"}
        return {**patterned, "contact_id": "003000000000001AAA", "event": "paid"}[name]
    if "enum" in schema:
        assert isinstance(schema["enum"], list)
        return schema["enum"][0]
    match schema.get("type"):
        case "array":
            return ["Name"]
        case "object":
            return {"Name": "x"}
        case "number":
            return 2.5
    dated = {"ts": "1760000000.000100", "thread_ts": "1760000000.000100", "close_date": "2026-03-31"}
    return dated.get(name, "12345")
