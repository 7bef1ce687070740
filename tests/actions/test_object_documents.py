"""The 25 operations on contacts and deals of HubSpot, in documents with the defects of the public ones."""

import json
import re
from pathlib import Path

import pytest

from actions import ActionConfig, ActionSet, NetworkGrants, Secrets
from actions.json_value import JsonObject
from core.ids import PersonaId
from tests.actions.documents import write
from tests.actions.object_documents import contacts, deals


def _load(folder: Path, *documents: JsonObject) -> ActionSet:
    names = [write(folder, one, f"api-{number}.json") for number, one in enumerate(documents)]
    return ActionSet.load(
        [ActionConfig(document=name) for name in names],
        root=folder,
        grants=NetworkGrants.parse([]),
        secrets=Secrets.none(),
        persona=PersonaId("clerk"),
    )


def _backwards(document: JsonObject) -> JsonObject:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return {**document, "paths": dict(reversed(paths.items()))}


def test_all_25_operations_are_offered_under_legal_names_of_their_own(tmp_path: Path) -> None:
    actions = _load(tmp_path, contacts(), deals())

    names = [one.name for one in actions.operations]
    assert (len(names), len(set(names)), actions.skipped) == (25, 25, ())
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
    assert not {one.title for one in actions.operations} & set(names)  # of the document's ids none is legal
    assert all(0 < len(one.description) <= 300 for one in actions.operations)


def test_the_names_do_not_depend_on_the_order_of_a_document(tmp_path: Path) -> None:
    there = _load(tmp_path, contacts(), deals())
    back = _load(tmp_path, _backwards(deals()), _backwards(contacts()))

    assert {one.address: one.name for one in there.operations} == {
        one.address: one.name for one in back.operations
    }


def test_what_comes_to_one_name_or_is_too_long_is_told_apart_by_its_address(tmp_path: Path) -> None:
    names = {one.request: one.name for one in _load(tmp_path, contacts()).operations}

    base = "POST /crm/v3/objects/contacts"
    assert names[f"{base}/search"] == "post_crm_v3_objects_contacts_search_doSearch"
    for request in (base, f"{base}/batch/create"):
        assert re.fullmatch("post_crm_v3_objects_contacts_create_[0-9a-f]{6}", names[request])
    assert re.fullmatch("post_crm_v3_objects_contacts_batch_upsert.*_[0-9a-f]{6}", names[f"{base}/batch/upsert"])


def test_only_reading_by_get_happens_at_once(tmp_path: Path) -> None:
    at_once = [one.request for one in _load(tmp_path, contacts(), deals()).operations if not one.consequential]

    assert at_once == [
        "GET /crm/v3/objects/contacts",
        "GET /crm/v3/objects/contacts/{contactId}",
        "GET /crm/v3/objects/0-3",
        "GET /crm/v3/objects/0-3/{dealId}",
    ]


_TO_CONTACT: JsonObject = {
    "to": {"id": "101"},
    "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}],
}
_BY_ADDRESS: JsonObject = {"filters": [{"propertyName": "email", "operator": "EQ", "value": "a@b.example"}]}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("contacts/batch/update", {"inputs": [{"id": "101", "properties": {"email": "a@b.example", "own": "7"}}]}),
        ("contacts/batch/read", {"inputs": [{"id": "101"}], "properties": ["email"], "idProperty": None}),
        ("0-3", {"properties": {"dealname": "Refit"}, "associations": [_TO_CONTACT]}),
        (
            "0-3/search",
            {"filterGroups": [_BY_ADDRESS], "limit": 5, "after": "0", "sorts": [], "properties": ["email"]},
        ),
        ("contacts/gdpr-delete", {"objectId": "101"}),
    ],
)
def test_a_body_is_sent_as_the_document_asks(tmp_path: Path, path: str, content: JsonObject) -> None:
    actions = _load(tmp_path, contacts(), deals())
    (name,) = [one.name for one in actions.operations if one.request == f"POST /crm/v3/objects/{path}"]

    prepared = actions.prepare(name, actions.validate(name, json.dumps(content)))

    assert str(prepared.url) == f"https://api.hubapi.com/crm/v3/objects/{path}"
    assert json.loads(prepared.content or b"") == content


def test_a_record_is_asked_for_by_its_id_with_the_wanted_properties(tmp_path: Path) -> None:
    actions = _load(tmp_path, deals())
    (name,) = [one.name for one in actions.operations if one.request == "GET /crm/v3/objects/0-3/{dealId}"]

    prepared = actions.prepare(name, {"dealId": "501", "properties": ["amount", "dealname"], "archived": True})

    query = "properties=amount&properties=dealname&archived=true"
    assert str(prepared.url) == f"https://api.hubapi.com/crm/v3/objects/0-3/501?{query}"
