"""Connected accounts over time: renewed, broken off, disconnected, and ended with their owner."""

import threading

import anyio
import pytest
from starlette.responses import Response

from actions import (
    ActionResult,
    ConnectionNeeded,
    ConnectionState,
    SignInFailed,
    Tokens,
)
from actions.tokens import Held
from core.errors import NotFound, RepertoryError
from core.ids import PrincipalId
from tests.actions.oauth_world import ADA, BOB, CALLBACK, CLERK, World, signed_in

pytestmark = pytest.mark.anyio


async def test_tokens_are_renewed_before_their_end_and_the_new_refresh_token_replaces_the_old(
    people: World,
) -> None:
    await people.connect()

    for _ in range(3):
        people.now += 3600
        assert (await people.call()).ok

    used = [form["refresh_token"] for form in people.forms("refresh_token")]
    assert used == [people.service.issued[1], people.service.issued[3], people.service.issued[5]]


async def test_a_refresh_token_stays_where_the_service_gives_no_other(people: World) -> None:
    people.service.rotates = False
    await people.connect()

    for _ in range(2):
        people.now += 3600
        assert (await people.call()).ok

    used = [form["refresh_token"] for form in people.forms("refresh_token")]
    assert used == [people.service.issued[1]] * 2


async def test_many_refused_calls_renew_once_and_all_succeed(people: World) -> None:
    await people.connect()
    people.service.delay = 0.1
    people.service.end_access()
    results: list[ActionResult] = []

    async def call() -> None:
        results.append(await people.call())

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(call)

    assert [result.ok for result in results] == [True] * 8
    assert len(people.forms("refresh_token")) == 1
    assert await people.state() == (ConnectionState.CONNECTED, None)


class GatedTokens(Tokens):
    """A store whose first reader is held up with what it has read, until the gate opens."""

    def __init__(self, world: World) -> None:
        super().__init__(world.database, world.seal, world.clock)
        self.read, self.gate = threading.Event(), threading.Event()

    def open(self, principal: PrincipalId, secret: str, app: str) -> Held | None:
        held = super().open(principal, secret, app)
        if not self.read.is_set():
            self.read.set()
            assert self.gate.wait(10)
        return held


async def test_who_comes_to_a_renewal_too_late_takes_what_it_brought(people: World) -> None:
    await people.connect()
    people.now += 3600
    people.tokens = tokens = GatedTokens(people)
    people.open()
    late: list[ActionResult] = []

    async def call() -> None:
        late.append(await people.call())

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.to_thread.run_sync(tokens.read.wait)
        assert (await people.call()).ok
        tokens.gate.set()

    assert [result.ok for result in late] == [True]
    assert len(people.forms("refresh_token")) == 1


async def test_a_caller_who_leaves_in_mid_renewal_loses_no_tokens(people: World) -> None:
    await people.connect()
    people.service.delay = 0.2
    people.now += 3600

    async with anyio.create_task_group() as group:
        group.start_soon(people.call)
        while not people.forms("refresh_token"):
            await anyio.sleep(0.005)
        group.cancel_scope.cancel()

    people.service.delay = 0
    assert (await people.call()).ok
    assert len(people.forms("refresh_token")) == 1


async def test_a_grant_that_has_ended_breaks_the_connection_and_asks_for_a_new_one(people: World) -> None:
    await people.connect()
    people.service.end_grants()

    with pytest.raises(ConnectionNeeded, match="connection has ended"):
        await people.call()

    assert await people.state() == (ConnectionState.BROKEN, "The service no longer accepts it.")
    asked = len(people.forms("refresh_token"))
    with pytest.raises(ConnectionNeeded):
        await people.call()
    assert len(people.forms("refresh_token")) == asked
    await people.connect()
    assert (await people.call()).ok


async def test_an_end_without_a_refresh_token_breaks_the_connection(people: World) -> None:
    people.service.gives_refresh = False
    await people.connect()
    people.now += 3600

    with pytest.raises(ConnectionNeeded):
        await people.call()

    state, reason = await people.state()
    assert state is ConnectionState.BROKEN
    assert "nothing to renew it with" in str(reason)


async def test_a_token_endpoint_that_is_down_for_a_moment_breaks_nothing(people: World) -> None:
    await people.connect()
    people.now += 3600
    people.service.planned["/token"] = [Response(status_code=503)]

    with pytest.raises(SignInFailed, match="status 503"):
        await people.call()

    assert await people.state() == (ConnectionState.CONNECTED, None)
    assert (await people.call()).ok


async def test_disconnecting_gives_the_tokens_back_and_forgets_them(people: World) -> None:
    await people.connect()

    assert await people.connections.disconnect(ADA, "app")

    hints = [form["token_type_hint"] for form in people.service.forms["/revoke"]]
    assert hints == ["refresh_token", "access_token"]
    assert (people.service.access, people.service.refresh) == ({}, {})
    with pytest.raises(ConnectionNeeded):
        await people.call()
    with pytest.raises(NotFound):
        await people.connections.disconnect(ADA, "app")


async def test_disconnecting_forgets_also_where_the_service_does_not_help(people: World) -> None:
    await people.connect()
    people.service.planned["/revoke"] = [Response(status_code=503), Response(status_code=503)]

    assert not await people.connections.disconnect(ADA, "app")

    assert await people.connections.list(None) == []


async def test_who_is_no_more_uses_connects_and_finishes_nothing(people: World) -> None:
    await people.connect()
    begun = await people.begin()
    link = await people.connections.request(ADA, CLERK, "app")
    people.is_gone = lambda one: one == ADA

    answer = await signed_in(begun)
    for attempt in (
        people.call(),
        people.connections.missing(ADA, CLERK, "app"),
        people.connections.request(ADA, CLERK, "app"),
        people.connections.begin(link.id, CALLBACK),
        people.connections.finish(answer, {begun.cookie_name: begun.cookie}),
    ):
        with pytest.raises(ConnectionNeeded, match="'key:ada' was revoked"):
            await attempt

    assert people.service.calls == []
    assert len(people.forms("authorization_code")) == 1
    await people.connect(BOB)
    assert (await people.call(principal=BOB)).ok


async def test_what_came_while_its_owner_went_goes_back_at_once(people: World) -> None:
    sign_in = await people.begin()
    people.is_gone = lambda _: bool(people.forms("authorization_code"))

    with pytest.raises(ConnectionNeeded):
        await people.connections.finish(await signed_in(sign_in), {sign_in.cookie_name: sign_in.cookie})

    assert await people.connections.list(None) == []
    assert (people.service.access, people.service.refresh) == ({}, {})


async def test_ending_all_of_a_principal_tells_what_a_service_did_not_take_back(people: World) -> None:
    await people.connect()
    await people.connect(BOB)
    people.service.planned["/revoke"] = [Response(status_code=503), Response(status_code=503)]

    assert await people.connections.end(ADA) == ["app"]
    assert [one.principal for one in await people.connections.list(None)] == [BOB]
    assert await people.connections.end(BOB) == []
    assert await people.connections.end(BOB) == []
    assert await people.connections.list(None) == []


async def test_what_is_renewed_while_its_owner_disconnects_goes_back_at_once(people: World) -> None:
    await people.connect()
    people.now += 3600
    people.service.delay = 0.2
    failures: list[RepertoryError] = []

    async def call() -> None:
        try:
            await people.call()
        except RepertoryError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        while not people.forms("refresh_token"):
            await anyio.sleep(0.005)
        await people.connections.disconnect(ADA, "app")

    assert [type(one) for one in failures] == [ConnectionNeeded]
    assert await people.connections.list(None) == []
    assert (people.service.access, people.service.refresh) == ({}, {})
