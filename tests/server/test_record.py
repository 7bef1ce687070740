"""How a turn's record ends: shown once to every observer, whatever became of the turn."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.errors import UpstreamFailed
from core.ids import ConversationId, PersonaId, PrincipalId
from server.turn.record import TurnRecord, observed, observed_stream
from server.turn.usage import UsageSum

pytestmark = pytest.mark.anyio


class Seen:
    def __init__(self) -> None:
        self.records: list[TurnRecord] = []

    def finished(self, record: TurnRecord) -> None:
        self.records.append(record)


def new_record() -> TurnRecord:
    return TurnRecord(
        completion="chatcmpl-1",
        principal=PrincipalId("key:ada"),
        persona=PersonaId("plain"),
        revision="abc",
        adapter=None,
        conversation=ConversationId("conv-1"),
        streamed=True,
        begun_at=1_800_000_000.0,
        usage=UsageSum(),
    )


async def pieces(record: TurnRecord, *, fails: bool = False) -> AsyncGenerator[bytes, None]:
    record.engine_asked()
    record.engine_answers()
    record.token()
    yield b"one"
    record.token()
    if fails:
        raise UpstreamFailed("The engine broke off.")
    yield b"two"


async def test_a_whole_stream_is_shown_with_its_times() -> None:
    seen, record = Seen(), new_record()
    assert [part async for part in observed_stream(pieces(record), record, [seen])] == [b"one", b"two"]
    assert seen.records == [record]
    assert record.error is None
    assert not record.abandoned
    assert len(record.gaps) == 1
    assert record.first_token is not None
    assert 0 <= record.first_token <= record.seconds


async def test_a_stream_that_the_client_leaves_is_shown_as_abandoned() -> None:
    seen, record = Seen(), new_record()
    frames = observed_stream(pieces(record), record, [seen])
    assert await anext(frames) == b"one"
    await frames.aclose()
    assert [one.abandoned for one in seen.records] == [True]


async def test_a_failing_stream_is_shown_with_the_code_of_its_error() -> None:
    seen, record = Seen(), new_record()
    with pytest.raises(UpstreamFailed):
        async for _ in observed_stream(pieces(record, fails=True), record, [seen]):
            pass
    assert [one.error for one in seen.records] == ["upstream_failed"]


async def test_a_cancelled_answer_is_shown_as_abandoned() -> None:
    seen, record = Seen(), new_record()
    waiting = asyncio.ensure_future(observed(asyncio.Event().wait, record, [seen]))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [one.abandoned for one in seen.records] == [True]
