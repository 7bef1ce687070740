"""What is refused before any training: examples in both files, and personas that nobody knows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.jobs import Job, NewJob, Pipeline, Step
from adapters.jobs.lease import new_holder
from adapters.jobs.store import new_job_id
from adapters.training.config import Method
from adapters.training.defaults import Wish
from tests.adapters.datasets.rows import A, S, U, asked, pair, talk, write
from tests.faults.job_stories import JobHouse


def validated(house: JobHouse, new: NewJob, data: Path, valid: Path | None = None) -> Job:
    """Return the job once its files are validated; no persona is known but the one that is kind."""
    job, holder = new_job_id(), new_holder()
    with house.folders.taking(job, data, valid):
        house.jobs.add(new, job, job)
    held = house.jobs.claim(Step.VALIDATE, holder)
    assert held is not None
    around = replace(house.around, system_of={"kind": "Be kind."}.get)
    return Pipeline(house.jobs, around).advance(held, holder)


def code_of(job: Job) -> str | None:
    return None if job.error is None else job.error.code


def test_an_example_is_the_same_however_it_is_written_and_whatever_is_told_of_it(
    house: JobHouse, tmp_path: Path
) -> None:
    told = {"metadata": {"from": "mail"}, "label": "b", "messages": [S, dict(reversed(U.items())), A]}
    written = json.dumps(told, indent=None, separators=(",", ":"))
    data = write(tmp_path, asked("Where?"), talk(S, U, A), name="train.jsonl")
    new = NewJob("key:ada", "base", "coach", "train.jsonl", "valid.jsonl")
    both = validated(house, new, data, write(tmp_path, written, name="valid.jsonl"))
    assert (code_of(both), both.error and both.error.message[:7]) == ("files_overlap", "Line 2 ")
    other = json.dumps({**told, "messages": [U, A]})
    assert code_of(validated(house, new, data, write(tmp_path, other, name="valid.jsonl"))) is None


def test_a_pair_is_the_same_only_with_the_same_answers(house: JobHouse, tmp_path: Path) -> None:
    data = write(tmp_path, pair(), name="train.jsonl")
    new = NewJob("key:ada", "base", "coach", "t", "v", wish=Wish(method=Method.DPO))
    other = write(tmp_path, pair([{**A, "content": "Welcome."}]), name="valid.jsonl")
    assert code_of(validated(house, new, data, other)) is None
    same = write(tmp_path, pair(label="a"), name="valid.jsonl")
    assert code_of(validated(house, new, data, same)) == "files_overlap"


@pytest.mark.parametrize(("persona", "code"), [("kind", None), ("nobody", "persona_not_found"), (None, None)])
def test_a_job_for_a_persona_that_nobody_knows_is_refused(
    house: JobHouse, tmp_path: Path, persona: str | None, code: str | None
) -> None:
    data = write(tmp_path, talk(S, U, A), name="train.jsonl")
    new = NewJob("key:ada", persona or "base", "coach", "train.jsonl", persona=persona)
    job = validated(house, new, data)
    assert code_of(job) == code
    assert job.error is None or job.error.param == "model"
