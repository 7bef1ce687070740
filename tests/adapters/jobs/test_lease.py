"""Who works on jobs: one at a time, and a dead one holds up nobody."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.jobs import Jobs, NewJob, Status, Step
from adapters.jobs.lease import SECONDS, Lease, LeaseLost, new_holder
from adapters.jobs.tables import metadata
from core.database import Database
from server.settings import ROOT
from tests.actions.moved_clock import MovedClock


@pytest.fixture
def wall() -> MovedClock:
    return MovedClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "jobs.db")
    metadata.create_all(database.engine)
    yield database
    database.close()


def test_one_worker_at_a_time_has_the_lease_however_the_clock_jumps(store: Database, wall: MovedClock) -> None:
    first, second = Lease(store, wall), Lease(store, wall)
    assert first.take()
    assert not second.take()
    wall.now += 10 * SECONDS
    assert not second.take()  # the first one lives: it is slow, not gone
    assert first.take()
    wall.now -= 100 * SECONDS
    assert not second.take()
    assert first.take()
    first.release()
    assert second.take()


def test_a_worker_that_has_died_is_followed_at_once(store: Database, wall: MovedClock) -> None:
    code = "from adapters.jobs.lease import new_holder; print(new_holder())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert Lease(store, wall, done.stdout.strip()).take()
    assert Lease(store, wall).take()


def test_a_worker_of_another_machine_is_followed_after_a_minute_of_silence(
    store: Database, wall: MovedClock
) -> None:
    machine = new_holder().rpartition("/")[0].replace("pid:", "elsewhere:")
    assert Lease(store, wall, f"{machine}/1").take()
    here = Lease(store, wall)
    assert not here.take()
    wall.now += SECONDS + 1
    assert here.take()


def test_a_worker_that_lost_its_job_writes_nothing_more(store: Database, wall: MovedClock) -> None:
    jobs = Jobs(store, wall)
    job = jobs.add(NewJob("key:ada", "base", "coach", "file-1"), "digest")
    held = jobs.claim(Step.VALIDATE, "one")
    assert held is not None
    jobs.begin(held, Step.VALIDATE, "one")
    assert jobs.claim(Step.VALIDATE, "two") is not None  # who holds the lease takes over what the dead one held
    for write in (
        lambda: jobs.end(held, Step.VALIDATE, "one", {}, status=Status.QUEUED),
        lambda: jobs.note(held, "one", []),
        lambda: jobs.begin(held, Step.TRAIN, "one"),
        lambda: jobs.wanted(held.id, "one"),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert jobs.get(job.id).status is Status.VALIDATING
    assert jobs.steps(job.id)[Step.VALIDATE].ended_at is None
