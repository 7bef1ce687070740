"""What ends a job before its time: a training that has gone wrong, and what somebody asks of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import BaseModel
from adapters.jobs import Pipeline, Status, Step
from adapters.jobs.job import Asked
from adapters.jobs.lease import new_holder
from core.errors import Conflict
from tests.faults.job_stories import JobHouse


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


@pytest.mark.parametrize(("asked", "status"), [(Asked.CANCEL, Status.CANCELLED), (Asked.PAUSE, Status.PAUSED)])
def test_what_is_asked_of_a_job_whose_worker_is_gone_is_done_at_once(
    house: JobHouse, asked: Asked, status: Status
) -> None:
    job = house.create().id
    assert house.worker.step(Step.VALIDATE) is not None
    machine, number, _, last = new_holder().rsplit("/", 3)
    assert house.jobs.claim(Step.TRAIN, f"{machine}/{number}/0/{last}") is not None  # began at another time
    assert house.jobs.ask(job, asked).status is status


def test_a_job_that_is_to_be_cancelled_is_not_paused_instead(house: JobHouse) -> None:
    job = house.create().id
    assert house.jobs.claim(Step.VALIDATE, new_holder()) is not None
    assert house.jobs.ask(job, Asked.CANCEL).asked is Asked.CANCEL
    with pytest.raises(Conflict, match="is to be cancelled and cannot be paused"):
        house.jobs.ask(job, Asked.PAUSE)
    assert house.jobs.get(job).asked is Asked.CANCEL


@pytest.mark.parametrize(("asked", "status"), [(Asked.CANCEL, Status.CANCELLED), (Asked.PAUSE, Status.PAUSED)])
def test_what_is_asked_while_files_are_validated_is_done_before_its_turn_comes(
    house: JobHouse, asked: Asked, status: Status
) -> None:
    job, holder = house.create().id, new_holder()

    def base() -> BaseModel:
        house.jobs.ask(job, asked)
        return house.around.base()

    held = house.jobs.claim(Step.VALIDATE, holder)
    assert held is not None
    assert Pipeline(house.jobs, replace(house.around, base=base)).advance(held, holder).status is status
    assert house.jobs.claim(Step.TRAIN, holder) is None
    assert house.folders.files(job)[0].exists() is (asked is Asked.PAUSE)
    if asked is Asked.PAUSE:
        assert house.jobs.resume(job).status is Status.QUEUED
