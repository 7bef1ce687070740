"""A caller signs in at a service in a browser: links, states, codes, and who may use what came of it."""

import hashlib
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from actions import (
    ConnectionNeeded,
    ConnectionState,
    SignInFailed,
)
from core.errors import InvalidRequest, NotFound
from tests.actions.oauth_world import ADA, BOB, CALLBACK, World, signed_in
from tests.fakes.oauth import OAuthService

pytestmark = pytest.mark.anyio


async def test_a_person_signs_in_once_and_calls_are_made_with_that_account(people: World) -> None:
    connection = await people.connect()

    result = await people.call()

    assert (connection.principal, connection.state) == (ADA, ConnectionState.CONNECTED)
    assert connection.scopes == ("contacts.read", "contacts.write")
    assert result.ok
    assert people.service.calls == [f"Bearer {people.service.issued[0]}"]
    (form,) = people.forms("authorization_code")
    assert form["redirect_uri"] == CALLBACK


async def test_the_address_to_sign_in_at_has_all_that_the_standards_want(people: World) -> None:
    first, second = await people.begin(), await people.begin()

    query = dict(parse_qsl(urlsplit(first.address).query))

    assert query.keys() == {
        *(
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
        )
    }
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert len(query["state"]) >= 43
    assert dict(parse_qsl(urlsplit(second.address).query))["state"] != query["state"]
    kept = people.seal.open("sign-in", first.cookie)
    digest = hashlib.sha256(str(kept["verifier"]).encode()).digest()
    assert query["code_challenge"] == urlsafe_b64encode(digest).decode().rstrip("=")
    assert query["state"] not in first.cookie


async def test_one_callers_account_serves_no_other_caller(people: World) -> None:
    await people.connect(ADA)

    with pytest.raises(ConnectionNeeded):
        await people.call(principal=BOB)
    with pytest.raises(ConnectionNeeded, match="nobody does"):
        await people.call(principal=None)

    assert people.service.calls == []
    connect = await people.actions.connect_first("read_me", BOB)
    assert connect is not None
    assert connect.principal == BOB
    assert await people.actions.connect_first("read_me", ADA) is None


async def test_a_link_is_given_again_while_it_is_young_and_works_once(people: World) -> None:
    sign_in = await people.begin()
    assert (await people.begin()).connect.id == sign_in.connect.id
    answer, cookies = await signed_in(sign_in), {sign_in.cookie_name: sign_in.cookie}
    await people.connections.finish(answer, cookies)

    with pytest.raises(NotFound, match="used already"):
        await people.connections.finish(answer, cookies)
    with pytest.raises(NotFound, match="used already"):
        await people.connections.begin(sign_in.connect.id, CALLBACK)

    assert len(people.forms("authorization_code")) == 1
    assert (await people.begin()).connect.id != sign_in.connect.id


async def test_a_link_that_nobody_used_in_time_opens_nothing(people: World) -> None:
    sign_in = await people.begin()
    answer = await signed_in(sign_in)
    people.now += 901

    with pytest.raises(NotFound):
        await people.connections.finish(answer, {sign_in.cookie_name: sign_in.cookie})

    assert people.service.issued == []


async def test_an_answer_is_taken_only_from_the_browser_that_began_and_with_its_own_state(people: World) -> None:
    mine, theirs = await people.begin(ADA), await people.begin(BOB)
    answer = await signed_in(mine)

    for cookies in (
        {},
        {mine.cookie_name: theirs.cookie},
        {mine.cookie_name: "x"},
        {theirs.cookie_name: theirs.cookie},
    ):
        with pytest.raises(NotFound, match="no sign-in that this browser has begun"):
            await people.connections.finish(answer, cookies)
    with pytest.raises(NotFound, match="no sign-in"):
        await people.connections.finish([("code", "x")], {mine.cookie_name: mine.cookie})

    assert people.service.issued == []
    await people.connections.finish(answer, {mine.cookie_name: mine.cookie})


async def test_a_code_of_another_sign_in_is_refused_by_its_verifier(people: World) -> None:
    mine, theirs = await people.begin(ADA), await people.begin(BOB)
    stolen = dict(await signed_in(theirs)) | {"state": dict(await signed_in(mine))["state"]}

    with pytest.raises(SignInFailed, match="no longer accepts the grant"):
        await people.connections.finish(list(stolen.items()), {mine.cookie_name: mine.cookie})

    assert await people.connections.list(None) == []


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_an_answer_with_a_parameter_twice_is_refused(people: World, name: str) -> None:
    sign_in = await people.begin()
    answer = [*await signed_in(sign_in), (name, "a"), (name, "b")]

    with pytest.raises(InvalidRequest, match=f"{name}' more than once"):
        await people.connections.finish(answer, {sign_in.cookie_name: sign_in.cookie})


@pytest.mark.parametrize(
    ("set_here", "sent", "fits"),
    [
        (None, None, True),
        (None, "http://127.0.0.1:PORT", True),
        (None, "https://evil.example", False),
        (None, "no url at all\x00", False),
        ("https://id.example", "https://id.example", True),
        ("https://id.example", "https://id.example/", False),
        ("https://id.example", None, False),
    ],
)
async def test_who_answers_is_checked_where_it_is_told_or_expected(
    service: OAuthService, tmp_path: Path, set_here: str | None, sent: str | None, fits: bool
) -> None:
    people = World(service, tmp_path, "oauth2_authorization_code", {"issuer": set_here})
    service.issuer = sent.replace("PORT", service.url.rpartition(":")[2]) if sent else None

    if fits:
        await people.connect()
    else:
        with pytest.raises(InvalidRequest, match="another service"):
            await people.connect()
        assert service.forms == {}


async def test_a_person_who_says_no_connects_nothing(people: World) -> None:
    people.service.denies = True

    with pytest.raises(SignInFailed, match="did not allow it: access_denied"):
        await people.connect()

    assert people.service.forms == {}


async def test_what_was_granted_is_kept_where_it_is_less_than_was_asked(people: World) -> None:
    people.service.granted_scope = "contacts.read,profile"

    assert (await people.connect()).scopes == ("contacts.read", "profile")
