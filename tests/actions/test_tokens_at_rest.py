"""Tokens as they lie in the database, and that they are to be seen nowhere."""

import logging

import pytest

from actions import (
    ConnectionNeeded,
    ConnectionState,
    Seal,
    Tokens,
)
from tests.actions.oauth_world import ADA, BOB, CLERK, World, signed_in
from tests.fakes.oauth import CLIENT_SECRET

pytestmark = pytest.mark.anyio


async def test_a_connection_outlives_a_restart_and_the_database_alone_reveals_nothing(people: World) -> None:
    await people.connect()
    people.open()

    assert (await people.call()).ok

    files = b"".join(path.read_bytes() for path in people.folder.glob("repertory.db*"))
    assert b"key:ada" in files
    for token in people.service.issued:
        assert token.encode() not in files
    assert (people.folder / "oauth.keys").stat().st_mode & 0o777 == 0o600


async def test_without_its_key_file_a_connection_is_broken_in_words(people: World) -> None:
    await people.connect()
    (people.folder / "oauth.keys").unlink()
    people.seal = Seal(people.folder / "oauth.keys")
    people.tokens = Tokens(people.database, people.seal, people.clock)
    people.open()

    with pytest.raises(ConnectionNeeded):
        await people.call()

    assert await people.state() == (ConnectionState.BROKEN, "The server no longer has the key to it.")
    await people.connect()
    assert (await people.call()).ok


async def test_a_row_copied_to_another_caller_opens_nothing(people: World) -> None:
    await people.connect()
    with people.database.write() as connection:
        connection.exec_driver_sql("UPDATE action_connections SET principal = 'key:bob'")

    with pytest.raises(ConnectionNeeded):
        await people.call(principal=BOB)

    assert people.service.calls == []
    assert await people.state(BOB) == (ConnectionState.BROKEN, "It was written for somebody else.")


async def test_tokens_of_one_app_are_not_sent_to_the_endpoint_of_another(people: World) -> None:
    await people.connect()
    people.fields = {"token_url": f"{people.service.url}/other"}
    people.open()

    with pytest.raises(ConnectionNeeded):
        await people.call()

    assert await people.state() == (ConnectionState.BROKEN, "The app at the service was changed.")


async def test_a_new_key_seals_all_anew_and_the_old_one_opens_nothing_more(people: World) -> None:
    await people.connect(ADA)
    await people.connect(BOB)
    keys = people.folder / "oauth.keys"
    old = keys.read_text()

    assert people.tokens.rotate() == 2

    assert len(keys.read_text().split()) == 1
    assert keys.read_text() != old
    assert keys.stat().st_mode & 0o777 == 0o600
    people.tokens = Tokens(people.database, Seal(keys), people.clock)
    people.open()
    assert (await people.call(principal=ADA)).ok
    assert (await people.call(principal=BOB)).ok


async def test_a_rotation_that_broke_off_leaves_keys_that_open_everything(people: World) -> None:
    await people.connect()
    people.seal.put_new_key_first()

    people.seal = Seal(people.folder / "oauth.keys")
    people.tokens = Tokens(people.database, people.seal, people.clock)
    people.open()

    assert (await people.call()).ok
    assert people.tokens.rotate() == 1


async def test_tokens_and_client_secrets_stand_in_no_log_result_error_or_representation(
    people: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_in = await people.begin()
    answer = await signed_in(sign_in)
    mark = len(caplog.records)
    shown: list[object] = [sign_in]
    shown.append(await people.connections.finish(answer, {sign_in.cookie_name: sign_in.cookie}))
    shown.append(await people.call())
    people.service.end_access()
    shown.append(await people.call("change_me"))
    grant = await people.connections.grant(ADA, CLERK, "app")
    shown += [
        grant,
        people.secrets,
        people.secrets.by_name,
        people.actions.operations,
        await people.connections.list(None),
    ]
    people.service.end_grants()
    with pytest.raises(ConnectionNeeded) as ended:
        await people.call()
    shown += [ended.value, ended.getrepr(style="short")]

    everything = "\n".join(
        [*(repr(one) for one in shown), *(record.getMessage() for record in caplog.records[mark:])]
    )
    canaries = {CLIENT_SECRET, dict(answer)["code"], dict(answer)["state"], *people.service.issued}
    assert len(canaries) >= 7
    assert [one for one in canaries if one in everything] == []
    assert everything.count("[secret]") >= 2
