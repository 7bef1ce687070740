"""`repertory adapter train` and `preview` on a tiny base, with a trainer that needs no torch."""

import json
import re
import sys
import threading
from pathlib import Path

import pytest

from adapters.jobs import Status, Step
from core.digest import hash_of_file
from tests.adapters.datasets.rows import A, S, U, asked, talk, write
from tests.adapters.tiny import make_base
from tests.cli.conftest import Run
from tests.faults.job_stories import JobHouse


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_base(tmp_path / "models" / "base")
    monkeypatch.setenv("REPERTORY_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("REPERTORY_TRAINING_COMMAND", f"{sys.executable} -m tests.fakes.trainer")


def test_a_command_trains_where_no_server_runs_and_the_same_one_makes_no_second_version(
    run: Run, tmp_path: Path, data_dir: Path
) -> None:
    data = write(tmp_path, *(asked(f"question {number}", "An answer.") for number in range(4)), name="train.jsonl")
    outcome = run("adapter", "train", str(data), "--name", "coach", "--rank", "4", "--json")
    assert outcome.code == 0, outcome.err
    version = json.loads(outcome.out)
    assert (version["engine_name"], version["state"]) == ("coach@1", "trained")
    assert "Files validated" in outcome.err
    (job,) = (data_dir / "training").iterdir()
    assert "<svg" in (job / "curves.html").read_text()
    card = json.loads(run("adapter", "card", "coach@1", "--json").out)
    assert card["lineage"] == {
        "parent": None,
        "job": job.name,
        "training_file": "train.jsonl",
        "validation_file": None,
        "data_sha256": hash_of_file(data),
    }
    again = json.loads(run("adapter", "train", str(data), "--name", "coach", "--rank", "4", "--json").out)
    assert again["engine_name"] == "coach@1"


def test_a_command_gives_its_job_to_a_worker_that_runs_already_and_follows_it(
    run: Run, tmp_path: Path, data_dir: Path
) -> None:
    data = write(tmp_path, *(asked(f"question {number}", "An answer.") for number in range(4)), name="train.jsonl")
    assert run("adapter", "list").code == 0  # makes the database
    make_base(data_dir / "base")
    house, over = JobHouse(data_dir), threading.Event()
    assert house.worker.holds_lease()

    def work() -> None:
        while not over.wait(0.05):
            house.finish()

    working = threading.Thread(target=work)
    working.start()
    try:
        outcome = run("adapter", "train", str(data), "--name", "coach", "--rank", "4", "--json")
    finally:
        over.set()
        working.join()
        house.database.close()
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["state"] == "candidate"  # only the other one can evaluate


def test_a_version_tells_which_version_of_which_data_set_it_was_made_of(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path, *(asked(f"question {number}", "An answer.") for number in range(4)), name="talks.jsonl")
    imported = run("dataset", "import", str(data), "--name", "talks", "--pii", "allow", "--json")
    assert imported.code == 0, imported.err
    outcome = run("adapter", "train", "talks", "--name", "coach", "--rank", "4")
    assert outcome.code == 0, outcome.err
    lineage = json.loads(run("adapter", "card", "coach@1", "--json").out)["lineage"]
    assert lineage["training_file"] == "talks@1"
    assert lineage["data_sha256"] == hash_of_file(data)


def test_a_fault_in_the_data_ends_a_command_with_its_line(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path, talk(S, U, A), talk(S, U), name="train.jsonl")
    outcome = run("adapter", "train", str(data), "--name", "coach")
    assert outcome.code == 1
    assert "line 2" in outcome.err
    assert "(invalid_training_file)" in outcome.err


def test_a_persona_that_is_not_there_is_told_before_there_is_a_job(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path, talk(S, U, A), name="train.jsonl")
    outcome = run("adapter", "train", str(data), "--name", "coach", "--persona", "suport-agent")
    assert (outcome.code, "There is no persona 'suport-agent'" in outcome.err) == (1, True)
    assert run("adapter", "jobs", "--json").out == "[]\n"


def test_a_persona_may_be_named_by_its_file_and_gives_the_version_its_name(run: Run, tmp_path: Path) -> None:
    persona = tmp_path / "kind.yaml"
    persona.write_text("id: kind-one\nname: Kind\ninstructions: Be kind.\n")
    data = write(tmp_path, talk(S, U, A), name="train.jsonl")
    outcome = run("adapter", "train", str(data), "--name", "kind-one", "--persona", str(persona), "--rank", "4")
    assert outcome.code == 0, outcome.err
    (job,) = json.loads(run("adapter", "jobs", "--json").out)
    assert (job["model"], job["status"]) == ("kind-one", "succeeded")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seed", "-1"),
        ("--seed", str(2**32)),
        ("--learning-rate", "0"),
        ("--beta", "0"),
        ("--beta", "inf"),
        ("--epochs", "inf"),
    ],
)
def test_numbers_that_nothing_can_be_trained_with_are_refused_before_there_is_a_job(
    run: Run, tmp_path: Path, option: str, value: str
) -> None:
    data = write(tmp_path, talk(S, U, A), name="train.jsonl")
    outcome = run("adapter", "train", str(data), "--name", "coach", option, value)
    assert outcome.code == 1
    assert f"The {option.strip('-').replace('-', ' ')} " in outcome.err
    assert "cannot be trained with. Take a" in outcome.err
    assert run("adapter", "jobs", "--json").out == "[]\n"


def test_a_preview_shows_which_tokens_are_learnt(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path, talk(S, U, A), name="train.jsonl")
    outcome = run("adapter", "preview", str(data))
    assert outcome.code == 0, outcome.err
    answer = A["content"]
    assert f"⟦{answer}<|im_end|>⟧" in outcome.out
    (shown,) = json.loads(run("adapter", "preview", str(data), "--json").out)
    assert [span["text"] for span in shown["spans"] if span["learnt"]] == [f"{answer}<|im_end|>"]


def test_a_job_that_waits_is_shown_paused_resumed_and_cancelled(run: Run, data_dir: Path) -> None:
    assert run("adapter", "jobs").out == "Nothing was trained yet. `repertory adapter train` begins.\n"
    make_base(data_dir / "base")
    house = JobHouse(data_dir)
    job = house.create().id
    (shown,) = json.loads(run("adapter", "jobs", "--json").out)
    assert (shown["id"], shown["adapter"], shown["status"], shown["by"]) == (
        job,
        "coach",
        "validating_files",
        "key:ada",
    )
    assert run("adapter", "pause", job).out == f"{job} is paused.\n"
    assert run("adapter", "resume", job).out == f"{job} is validating_files.\n"
    assert run("adapter", "cancel", job).out == f"{job} is cancelled.\n"
    assert "cancelled" in run("adapter", "jobs").out
    again = run("adapter", "cancel", job)
    assert (again.code, "cannot be cancelled" in again.err) == (1, True)
    assert "No such fine-tuning job" in run("adapter", "cancel", "ftjob-none").err
    house.database.close()


def test_a_job_that_somebody_works_on_is_cancelled_by_another_command(run: Run, data_dir: Path) -> None:
    assert run("adapter", "list").code == 0  # makes the database
    make_base(data_dir / "base")
    house = JobHouse(data_dir)
    job = house.create().id
    assert house.worker.step(Step.VALIDATE) is not None
    assert house.jobs.claim(Step.TRAIN, "another/1/2/3") is not None
    assert run("adapter", "cancel", job).out == f"{job} is queued; whoever works on it is to cancel it.\n"
    house.finish()
    assert house.jobs.get(job).status is Status.CANCELLED
    house.database.close()


def test_a_terminal_is_shown_loss_rate_and_time_left(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FAKE_TRAINER_SECONDS", "0.3")
    data = write(tmp_path, *(asked(f"question {number}", "An answer.") for number in range(4)), name="train.jsonl")
    outcome = run("adapter", "train", str(data), "--name", "coach", "--rank", "4")
    assert outcome.code == 0, outcome.err
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", outcome.err)
    assert re.search(r"Training, loss 0\.\d{3} .* \d/8 1\.0 s a step 0:00:0\d", shown)
    assert "Nothing has judged it yet: `repertory eval run FILE --version 1` does." in outcome.out
