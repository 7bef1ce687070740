"""What ends a job before its time: a training that has gone wrong, and what somebody asks of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.jobs import Status
from tests.adapters.tiny import make_base
from tests.databases import new_database
from tests.faults.job_stories import JobHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[JobHouse]:
    new_database(tmp_path / "repertory.db").close()
    make_base(tmp_path / "base")
    house = JobHouse(tmp_path)
    assert house.worker.holds_lease()
    yield house
    house.database.close()


def test_a_training_whose_loss_is_no_number_is_stopped_and_says_what_to_do(
    house: JobHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_TRAINER_DIVERGES_AT", "3")
    monkeypatch.setenv("FAKE_TRAINER_WAITS_FOR", str(tmp_path / "never"))  # it would not end by itself
    job = house.create()
    house.finish()
    job = house.jobs.get(job.id)
    assert (job.status, job.error and job.error.code) == (Status.FAILED, "training_diverged")
    assert job.error is not None
    assert job.error.message == "The loss is nan at step 3. Lower the learning rate."
    assert len(house.jobs.all_events(job.id, "metrics")) == 2
