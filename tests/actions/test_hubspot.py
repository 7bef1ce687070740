"""The HubSpot connector against a service that has HubSpot's door: tokens, scopes, limits, pages and errors."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from actions import ActionResult, ActionSet, ArgumentsInvalid, Pauses
from actions.json_value import JsonObject
from tests.actions.connecting import call, connected, refused, told
from tests.fakes.hubspot import TOKEN, HubSpot, running_hubspot


@pytest.fixture(scope="module")
def service() -> Iterator[HubSpot]:
    with running_hubspot() as running:
        yield running


@pytest.fixture
def hubspot(service: HubSpot) -> HubSpot:
    """The service, with the records and rights of the beginning."""
    fresh = HubSpot("")
    service.store.records, service.store.ties = fresh.store.records, fresh.store.ties
    service.scopes = fresh.scopes
    service.all_calls.limit, service.searches.limit = fresh.all_calls.limit, fresh.searches.limit
    service.requests.clear()
    service.later(10)
    return service


@pytest.fixture
def actions(hubspot: HubSpot) -> ActionSet:
    return connected("hubspot", hubspot.url, TOKEN)


def test_a_contact_is_found_by_name_and_by_address_with_the_properties_that_matter(actions: ActionSet) -> None:
    by_name = told(actions, "search_contacts", query="maren aldersund")
    by_address = told(actions, "search_contacts", query="priya.raman@fernhill.example")

    assert [one["id"] for one in by_name["records"]] == ["101"]
    assert by_name["records"][0]["email"] == "maren@aldersund.example"
    assert [one["id"] for one in by_address["records"]] == ["103"]


def test_the_deals_of_a_contact_and_of_a_company_come_through_their_ties(actions: ActionSet) -> None:
    of_contact = told(actions, "deals_of_contact", contact_id="101")
    of_company = told(actions, "deals_of_company", company_id="303")

    assert [one["dealname"] for one in of_contact["records"]] == [
        "Aldersund winter refit",
        "Aldersund spare parts 2026",
    ]
    assert [one["id"] for one in of_company["records"]] == ["504"]


def test_a_record_is_read_with_its_properties_and_the_ids_that_it_is_tied_to(actions: ActionSet) -> None:
    contact = told(actions, "read_contact", contact_id="101")
    company = told(actions, "read_company", company_id="301")
    deal = told(actions, "read_deal", deal_id="501")
    note = told(actions, "read_note", note_id="901")

    assert contact["jobtitle"] == "Owner"
    assert (contact["companies"], contact["deals"]) == (["301"], ["501", "502"])
    assert company["city"] == "Nynäshamn"
    assert deal["amount"] == "18400"
    assert "refit" in note["hs_note_body"]


def test_a_note_is_written_as_text_and_tied_to_its_contact(actions: ActionSet, hubspot: HubSpot) -> None:
    made = told(actions, "add_note_to_contact", contact_id="104", text="Wants <b>two</b> & more.\nCall on Monday.")

    note = hubspot.store.get("notes", made["id"])
    assert note.properties == {
        "hs_note_body": "Wants &lt;b&gt;two&lt;/b&gt; &amp; more.<br>Call on Monday.",
        "hs_timestamp": "2026-05-28T20:26:40.000Z",
    }
    listed = told(actions, "notes_of_contact", contact_id="104")
    assert [one["id"] for one in listed["records"]] == [made["id"]]


@pytest.mark.parametrize(
    ("operation", "argument", "kind", "record_id"),
    [
        ("add_note_to_company", "company_id", "companies", "302"),
        ("add_note_to_deal", "deal_id", "deals", "503"),
    ],
)
def test_a_note_is_tied_to_a_company_or_a_deal(
    actions: ActionSet, hubspot: HubSpot, operation: str, argument: str, kind: str, record_id: str
) -> None:
    made = told(actions, operation, **{argument: record_id, "text": "Met at the fair."})

    assert hubspot.store.tied(("notes", made["id"]), kind) == [record_id]


def test_notes_come_the_newest_first_and_can_be_found_and_rewritten(actions: ActionSet) -> None:
    made = told(actions, "add_note_to_contact", contact_id="101", text="Newer than the other.")
    listed = told(actions, "notes_of_contact", contact_id="101")
    told(actions, "update_note", note_id="901", text="Wants it in April.")
    found = told(actions, "search_notes", query="april")

    assert [one["id"] for one in listed["records"]] == [made["id"], "901"]
    assert [one["id"] for one in found["records"]] == ["901"]


def test_contacts_companies_and_deals_are_made_and_changed_with_what_was_written_alone(
    actions: ActionSet, hubspot: HubSpot
) -> None:
    contact = told(actions, "create_contact", email="new@x.example", first_name="New", company="X")
    company = told(actions, "create_company", name="X", domain="x.example")
    deal = told(
        actions, "create_deal", contact_id=contact["id"], name="First", stage="appointmentscheduled", amount=99.5
    )
    told(actions, "update_contact", contact_id=contact["id"], phone="+1 555 0100")
    told(actions, "update_company", company_id=company["id"], city="Reading")
    told(actions, "update_deal", deal_id=deal["id"], stage="closedwon")

    assert hubspot.store.get("contacts", contact["id"]).properties == {
        "email": "new@x.example",
        "firstname": "New",
        "company": "X",
        "phone": "+1 555 0100",
    }
    assert hubspot.store.get("companies", company["id"]).properties == {
        "name": "X",
        "domain": "x.example",
        "city": "Reading",
    }
    assert hubspot.store.get("deals", deal["id"]).properties == {
        "dealname": "First",
        "dealstage": "closedwon",
        "amount": "99.5",
    }
    assert hubspot.store.tied(("deals", deal["id"]), "contacts") == [contact["id"]]


def test_two_records_are_tied_and_their_ties_are_listed_page_by_page(actions: ActionSet) -> None:
    tied = told(actions, "associate", from_type="contacts", from_id="105", to_type="companies", to_id="301")
    listed = told(actions, "associations_of", from_type="companies", from_id="301", to_type="contacts")
    rest = told(actions, "associations_of", from_type="companies", from_id="301", to_type="contacts", after="2")

    assert tied == {"status": "COMPLETE"}
    assert listed == {"ids": [101, 102, 105], "after": None}
    assert rest["ids"] == [105]


def test_the_pages_of_a_search_follow_each_other_and_end(actions: ActionSet, hubspot: HubSpot) -> None:
    for number in range(13):
        hubspot.store.create("contacts", {"firstname": f"Zoe{number}"})

    first = told(actions, "search_contacts", query="zoe")
    second = told(actions, "search_contacts", query="zoe", after=first["after"])

    assert first["total"] == 13
    assert [len(first["records"]), len(second["records"])] == [10, 3]
    assert second["after"] is None
    assert refused(actions, "search_contacts", query="zoe", after="9995")[1]["category"] == "VALIDATION_ERROR"


def test_any_property_can_be_written_where_the_persona_asks_for_that(hubspot: HubSpot) -> None:
    actions = connected("hubspot", hubspot.url, TOKEN, operations=["create_record", "update_record"])

    made = told(actions, "create_record", type="companies", properties={"name": "Y", "industry": "Fishing"})
    told(actions, "update_record", type="companies", id=made["id"], properties={"country": "Norway"})

    assert hubspot.store.get("companies", made["id"]).properties == {
        "name": "Y",
        "industry": "Fishing",
        "country": "Norway",
    }


@pytest.mark.parametrize(
    ("operation", "arguments", "status", "category", "says"),
    [
        ("read_contact", {"contact_id": "999"}, 404, "OBJECT_NOT_FOUND", "not found"),
        ("create_contact", {"email": "MAREN@aldersund.example"}, 409, "CONFLICT", "Existing ID: 101"),
        ("update_contact", {"contact_id": "101"}, 400, "VALIDATION_ERROR", "No properties"),
        ("add_note_to_contact", {"contact_id": "999", "text": "x"}, 404, "OBJECT_NOT_FOUND", "not found"),
    ],
)
def test_what_hubspot_says_against_a_call_reaches_the_model(
    actions: ActionSet, operation: str, arguments: dict[str, Any], status: int, category: str, says: str
) -> None:
    got, body = refused(actions, operation, **arguments)

    assert (got, body["category"]) == (status, category)
    assert says in body["message"]
    assert body["correlationId"]


def test_an_unknown_property_is_refused_by_name(hubspot: HubSpot) -> None:
    actions = connected("hubspot", hubspot.url, TOKEN, operations=["create_record"])

    _, body = refused(actions, "create_record", type="deals", properties={"colour": "red"})

    assert 'Property \\"colour\\" does not exist' in body["message"]


@pytest.mark.parametrize("token", [None, "pat-eu1-another-token-9999"])
def test_without_the_token_nothing_is_read(hubspot: HubSpot, token: str | None) -> None:
    status, body = refused(connected("hubspot", hubspot.url, token), "search_contacts", query="maren")

    assert (status, body["category"]) == (401, "INVALID_AUTHENTICATION")


@pytest.mark.parametrize(
    ("scope", "operation", "arguments"),
    [
        ("crm.objects.contacts.read", "search_contacts", {"query": "maren"}),
        ("crm.objects.contacts.write", "add_note_to_contact", {"contact_id": "101", "text": "x"}),
        ("crm.objects.companies.read", "read_company", {"company_id": "301"}),
        ("crm.objects.companies.write", "create_company", {"name": "x"}),
        ("crm.objects.deals.read", "deals_of_contact", {"contact_id": "101"}),
        ("crm.objects.deals.write", "update_deal", {"deal_id": "501", "stage": "closedwon"}),
    ],
)
def test_a_missing_scope_is_named(
    actions: ActionSet, hubspot: HubSpot, scope: str, operation: str, arguments: dict[str, Any]
) -> None:
    hubspot.scopes.discard(scope)

    status, body = refused(actions, operation, **arguments)

    assert (status, body["category"]) == (403, "MISSING_SCOPES")
    assert body["errors"][0]["context"] == {"requiredGranularScopes": [scope]}


def test_too_many_searches_are_refused_until_time_has_passed(actions: ActionSet, hubspot: HubSpot) -> None:
    for _ in range(5):
        told(actions, "search_contacts", query="maren")

    status, body = refused(actions, "search_contacts", query="maren")
    hubspot.later(1)

    assert (status, body["category"], body["policyName"]) == (429, "RATE_LIMITS", "SECONDLY")
    assert told(actions, "search_contacts", query="maren")["total"] == 1


def test_a_search_that_came_too_soon_is_made_again_after_a_while_and_a_note_is_not(hubspot: HubSpot) -> None:
    """A search is a POST, but one of ours that only reads."""
    actions = connected("hubspot", hubspot.url, TOKEN, pauses=Pauses(attempts=2, first=0.001))
    attempts: list[int] = []

    async def waiting(attempt: int) -> None:
        attempts.append(attempt)
        hubspot.later(attempt - 1)

    def made(name: str, arguments: JsonObject) -> ActionResult:
        return anyio.run(lambda: actions.call(name, arguments, idempotency_key="call-1", sending=waiting))

    hubspot.searches.limit = 1
    told(actions, "search_contacts", query="maren")
    found = made("search_contacts", {"query": "maren"})
    hubspot.later(10)
    hubspot.all_calls.limit = 1
    told(actions, "read_note", note_id="901")
    noted = made("add_note_to_contact", {"contact_id": "101", "text": "Twice?"})

    assert (found.ok, noted.status) == (True, 429)
    assert attempts == [1, 2, 1]


def test_too_many_calls_are_refused_until_time_has_passed(actions: ActionSet, hubspot: HubSpot) -> None:
    hubspot.all_calls.limit = 1
    told(actions, "update_note", note_id="901", text="First.")

    status, body = refused(actions, "update_note", note_id="901", text="Second.")
    raw = httpx.get(f"{hubspot.url}/crm/v3/objects/notes/901", headers={"Authorization": f"Bearer {TOKEN}"})
    hubspot.later(10)

    assert (status, body["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert raw.headers["retry-after"] == "10"
    assert told(actions, "read_note", note_id="901")["hs_note_body"] == "First."


def test_the_rest_of_the_allowance_is_told_but_not_with_searches(hubspot: HubSpot) -> None:
    with httpx.Client(base_url=hubspot.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        read = client.get("/crm/v3/objects/notes/901")
        searched = client.post("/crm/v3/objects/notes/search", json={"limit": 1})

    assert read.headers["x-hubspot-ratelimit-remaining"] == "189"
    assert "x-hubspot-ratelimit-remaining" not in searched.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("contacts/search", {"limit": 201}),
        (
            "contacts/search",
            {"filterGroups": [{"filters": [{"propertyName": "a", "operator": "IS", "value": "b"}]}]},
        ),
        ("contacts/search", {"filterGroups": [{"filters": [{"propertyName": "a", "operator": "EQ"}] * 7}]}),
        ("contacts/search", {"filterGroups": [{"filters": [{"propertyName": "a", "operator": "EQ"}]}] * 6}),
        ("unicorns/search", {}),
        ("notes", {"properties": {"hs_note_body": "no time"}}),
        ("notes", {"properties": {"hs_timestamp": "0", "hs_note_body": "x" * 65_537}}),
        (
            "notes",
            {
                "properties": {"hs_timestamp": "0"},
                "associations": [
                    {
                        "to": {"id": "101"},
                        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}],
                    }
                ],
            },
        ),
    ],
)
def test_what_the_reference_forbids_isrefused(hubspot: HubSpot, path: str, body: dict[str, Any]) -> None:
    answer = httpx.post(
        f"{hubspot.url}/crm/v3/objects/{path}", json=body, headers={"Authorization": f"Bearer {TOKEN}"}
    )

    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("contact_id", ["", "101/../../deals", "abc", "1 OR 1", "{now}"])
def test_an_id_is_digits_before_anything_is_sent(actions: ActionSet, hubspot: HubSpot, contact_id: str) -> None:
    with pytest.raises(ArgumentsInvalid, match="contact_id"):
        actions.validate("deals_of_contact", json.dumps({"contact_id": contact_id}))

    assert hubspot.requests == []


def test_the_token_is_in_no_result(hubspot: HubSpot) -> None:
    actions = connected("hubspot", hubspot.url, TOKEN, operations=["create_record"])
    made = call(
        actions, "create_record", {"type": "notes", "properties": {"hs_timestamp": "0", "hs_note_body": TOKEN}}
    )

    assert made.ok
    assert TOKEN not in made.text
