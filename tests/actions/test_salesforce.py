"""The Salesforce connector against a service that reads queries as Salesforce does."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from actions import ActionConfig, ActionSet, ArgumentsInvalid, DocumentInvalid
from tests.actions.connecting import alone, call, connected, refused, told
from tests.fakes.salesforce import ACCOUNT, CONTACT, TOKEN, Salesforce, running_salesforce

CLOSING = {
    "id": "query",
    "name": "deals_closing",
    "description": "List open deals that close in a span of time.",
    "query": {
        "soql": "SELECT Id, Name, CloseDate FROM Opportunity WHERE IsClosed = :closed AND CloseDate >= :first "
        "AND CloseDate <= :last AND Name LIKE :name AND Amount > :more_than ORDER BY CloseDate LIMIT :most",
        "parameters": [
            {"name": "closed", "type": "boolean", "default": False},
            {"name": "first", "type": "date"},
            {"name": "last", "type": "date"},
            {"name": "name", "type": "starts_with", "default": "Roof"},
            {"name": "more_than", "type": "number", "default": 0},
            {"name": "most", "type": "integer", "default": 500, "minimum": 1, "maximum": 500},
        ],
    },
}


@pytest.fixture
def salesforce() -> Iterator[Salesforce]:
    with running_salesforce() as running:
        yield running


@pytest.fixture
def actions(salesforce: Salesforce) -> ActionSet:
    return connected("salesforce", salesforce.url, TOKEN)


def _refused(actions: ActionSet, operation: str, /, **arguments: Any) -> tuple[int | None, Any]:
    """Return status and the one error: Salesforce writes a list."""
    status, (error,) = refused(actions, operation, **arguments)
    return status, error


@pytest.mark.parametrize("name", ["O'Hara", "maeve_o", "maeve o"])
def test_a_contact_is_found_by_a_part_of_name_or_address(actions: ActionSet, name: str) -> None:
    found = told(actions, "find_contacts", name=name)

    assert [one["Id"] for one in found["records"]] == [CONTACT]
    assert found["records"][0]["Account"] == "O'Hara & 100% Sons"


@pytest.mark.parametrize("name", ["%", "_", "x' OR Name != '", "\\", "\\' OR Id != null OR Name = \\'"])
def test_what_a_model_writes_never_becomes_a_part_of_the_query(
    actions: ActionSet, salesforce: Salesforce, name: str
) -> None:
    found = told(actions, "find_contacts", name=name)

    assert found["total"] == (1 if name == "_" else 0)  # one address has an underscore
    assert salesforce.queries[-1].count("LIMIT 10") == 1


def test_accounts_and_their_opportunities_are_found(actions: ActionSet) -> None:
    account = told(actions, "find_accounts", name="100%")["records"][0]
    deals = told(actions, "opportunities_of_account", account_id=account["Id"])

    assert account["Id"] == ACCOUNT
    assert len(deals["records"]) == 20
    assert deals["records"][0]["CloseDate"] == "2026-12-01"


def test_a_query_of_the_personas_own_binds_each_type_and_is_read_page_by_page(salesforce: Salesforce) -> None:
    actions = connected("salesforce", salesforce.url, TOKEN, operations=[CLOSING, "next_page"])

    first = told(actions, "deals_closing", first="2026-01-01", last="2026-12-31")
    rest = told(actions, "next_page", page=first["nextRecordsUrl"].rpartition("/")[2])
    few = told(actions, "deals_closing", first="2026-03-01", last="2026-03-31", more_than=400_000.5, most=2)

    assert (first["totalSize"], first["done"], len(first["records"])) == (225, False, 200)
    assert (rest["done"], len(rest["records"])) == (True, 25)
    assert [one["CloseDate"] for one in few["records"]] == []
    assert "CloseDate >= 2026-03-01 AND CloseDate <= 2026-03-31 AND Name LIKE 'Roof%'" in salesforce.queries[-1]
    assert salesforce.queries[-1].endswith("AND Amount > 400000.5 ORDER BY CloseDate LIMIT 2")


def test_a_record_is_read_made_changed_and_deleted(salesforce: Salesforce) -> None:
    names = ["read_record", "create_record", "update_record", "delete_record"]
    actions = connected("salesforce", salesforce.url, TOKEN, operations=names)

    made = told(actions, "create_record", object="Contact", fields={"LastName": "Ray", "Email": "ray@x.example"})
    changed = call(
        actions,
        "update_record",
        {"object": "Contact", "id": made["id"], "fields": {"Title": "Buyer", "Phone": None}},
    )
    read = told(actions, "read_record", object="Contact", id=made["id"], fields=["LastName", "Title"])
    deleted = call(actions, "delete_record", {"object": "Contact", "id": made["id"]})

    assert (made["success"], len(made["id"])) == (True, 18)
    assert (changed.ok, changed.status) == (True, 204)
    assert (read["LastName"], read["Title"]) == ("Ray", "Buyer")
    assert (deleted.ok, deleted.status) == (True, 204)
    assert _refused(actions, "read_record", object="Contact", id=made["id"], fields=["Title"])[0] == 404


def test_what_was_done_is_logged_as_a_finished_task(actions: ActionSet, salesforce: Salesforce) -> None:
    told(actions, "log_activity", contact_id=CONTACT, subject="Call", text="Wants a new roof.")

    (task,) = salesforce.rows["Task"]
    assert {**task, "Id": ""} == {
        "Id": "",
        "WhoId": CONTACT,
        "Subject": "Call",
        "Description": "Wants a new roof.",
        "Status": "Completed",
    }


def test_deleting_and_free_queries_are_off_until_a_persona_names_them(actions: ActionSet) -> None:
    offered = {operation.name: operation.consequential for operation in actions.operations}

    assert offered == {
        "find_contacts": False,
        "find_accounts": False,
        "opportunities_of_account": False,
        "read_record": False,
        "create_record": True,
        "update_record": True,
        "log_activity": True,
    }


def test_no_operation_takes_a_query_from_the_model(salesforce: Salesforce) -> None:
    with pytest.raises(DocumentInvalid, match="needs a `query` with bound parameters"):
        connected("salesforce", salesforce.url, TOKEN, operations=["query"])
    with pytest.raises(DocumentInvalid, match="'read_record' of 'salesforce' takes no `query`"):
        connected("salesforce", salesforce.url, TOKEN, operations=[CLOSING | {"id": "read_record"}])
    with pytest.raises(ValueError, match="`query` goes with `connector: salesforce` only"):
        ActionConfig.model_validate({"document": "x.yaml", "operations": [CLOSING]})
    actions = connected("salesforce", salesforce.url, TOKEN)
    with pytest.raises(ArgumentsInvalid, match="`q` must be left out"):
        actions.validate("find_contacts", json.dumps({"name": "x", "q": "SELECT Id FROM Contact"}))


def test_ids_fields_and_objects_are_names_before_anything_is_sent(actions: ActionSet) -> None:
    for arguments in (
        {"object": "Contact/../Account", "id": CONTACT, "fields": ["Id"]},
        {"object": "Contact", "id": "003' OR", "fields": ["Id"]},
        {"object": "Contact", "id": CONTACT, "fields": ["Id,(SELECT Id FROM Cases)"]},
    ):
        with pytest.raises(ArgumentsInvalid):
            actions.validate("read_record", json.dumps(arguments))


@pytest.mark.parametrize("token", [None, "00Dfake!another-session"])
def test_without_a_session_nothing_is_read(salesforce: Salesforce, token: str | None) -> None:
    status, error = _refused(connected("salesforce", salesforce.url, token), "find_contacts", name="x")

    assert (status, error["errorCode"]) == (401, "INVALID_SESSION_ID")


@pytest.mark.parametrize(
    ("operation", "arguments", "status", "code"),
    [
        (
            "create_record",
            {"object": "Contact", "fields": {"Email": "x@x.example"}},
            400,
            "REQUIRED_FIELD_MISSING",
        ),
        ("create_record", {"object": "Account", "fields": {"Name": "x", "Colour": "red"}}, 400, "INVALID_FIELD"),
        ("create_record", {"object": "Unicorn", "fields": {"Name": "x"}}, 404, "NOT_FOUND"),
        ("update_record", {"object": "Contact", "id": CONTACT, "fields": {"Colour": "red"}}, 400, "INVALID_FIELD"),
        ("read_record", {"object": "Contact", "id": "003000000000009AAA", "fields": ["Id"]}, 404, "NOT_FOUND"),
    ],
)
def test_what_salesforce_says_against_a_call_reaches_the_model(
    actions: ActionSet, operation: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    got, error = _refused(actions, operation, **arguments)

    assert (got, error["errorCode"]) == (status, code)


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Unicorn", "INVALID_TYPE"),
        ("SELECT Colour FROM Contact", "INVALID_FIELD"),
        ("SELECT Id, FROM Contact", "MALFORMED_QUERY"),
    ],
)
def test_a_wrong_query_of_the_operators_is_told(salesforce: Salesforce, soql: str, code: str) -> None:
    own = {"id": "query", "name": "own", "query": {"soql": soql}}
    actions = connected("salesforce", salesforce.url, TOKEN, operations=[own])

    assert _refused(actions, "own")[1]["errorCode"] == code


def test_an_unknown_page_is_told(salesforce: Salesforce) -> None:
    actions = connected("salesforce", salesforce.url, TOKEN, operations=["next_page"])

    assert _refused(actions, "next_page", page="01g000000000009AAA-200")[1]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_user_who_may_only_read_changes_nothing(actions: ActionSet, salesforce: Salesforce) -> None:
    salesforce.may_write = False

    status, error = _refused(actions, "update_record", object="Contact", id=CONTACT, fields={"Title": "x"})

    assert (status, error["errorCode"]) == (403, "INSUFFICIENT_ACCESS")
    assert salesforce.rows["Contact"][0]["Title"] == "Owner"


def test_past_the_orgs_calls_every_call_is_refused(actions: ActionSet, salesforce: Salesforce) -> None:
    salesforce.calls.limit = 1
    told(actions, "find_contacts", name="maeve")

    status, error = _refused(actions, "find_contacts", name="maeve")

    assert (status, error["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_errors_come_as_a_list(salesforce: Salesforce) -> None:
    answer = httpx.get(f"{salesforce.url}/services/data/v62.0/query", params={"q": "SELECT"})

    assert [set(one) for one in answer.json()] == [{"message", "errorCode"}]


def test_the_address_of_the_org_is_needed() -> None:
    with pytest.raises(DocumentInvalid, match="connector 'salesforce' needs your own address"):
        alone("salesforce")
