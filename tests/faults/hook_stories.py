"""The story of questions that come through a hook, one of which pays; and what must be true after a kill in it."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from tests.faults.document_models import Fact
from tests.faults.hook_house import HookHouse
from tests.faults.witness import Witness

QUESTIONS = (("event-0001", "Sum this up."), ("event-0002", "Pay the bill."))


def hooks(base: Path, witness: Witness) -> None:
    """Ask two questions, approve the call that one of them leads to, and wait until both are told."""

    async def told() -> None:
        house = HookHouse(base, witness.step)
        async with house.running() as client:
            for delivery, question in QUESTIONS:
                witness.attempt("job", delivery)
                job = await house.ask(client, delivery, question)
                witness.acknowledge("job", delivery, job)
                await house.settled(job)
                witness.acknowledge("told", delivery)

    asyncio.run(told())


def check_hooks(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """Each question that was taken in is answered and told, once each; the bill is paid once at most."""
    before = _lines(base / "pay")

    async def finish() -> dict[str, str]:
        house = HookHouse(base)
        async with house.running() as client:
            ids = {}
            for delivery, question in QUESTIONS:  # a sender that was not answered sends again
                ids[delivery] = await house.ask(client, delivery, question)
                await house.settled(ids[delivery])
        return ids

    ids = asyncio.run(finish())
    for fact in done:
        if fact[0] == "job":
            assert ids[str(fact[1])] == fact[2]
    told = [json.loads(line) for line in _lines(base / "answers")]
    contents: dict[str, set[str]] = {}
    for line, one in zip(_lines(base / "answers"), told, strict=True):
        contents.setdefault(one["delivery"], set()).add(line)
    assert {len(bodies) for bodies in contents.values()} == {1}  # the same delivery never says two things
    for delivery, statuses in (("event-0001", ["done"]), ("event-0002", ["needs_approval", "done"])):
        of_job = {one["delivery"]: one["status"] for one in told if one["job"] == ids[delivery]}
        assert list(of_job.values()) == statuses
    assert len(before) <= len(_lines(base / "pay")) <= 1


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
