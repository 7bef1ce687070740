"""The folders of jobs: nobody sweeps one while its job is written down."""

from pathlib import Path

import pytest

from adapters.jobs.folder import JobFolders
from tests.adapters.datasets.rows import asked, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path, asked("Where?", "Here."), name="talks.jsonl")


def test_a_folder_that_no_job_has_is_swept_and_one_that_a_job_has_is_not(tmp_path: Path, data: Path) -> None:
    folders = JobFolders(tmp_path / "training")
    for job in ("ftjob-1", "ftjob-2"):
        with folders.taking(job, data, None):
            pass
    folders.sweep(lambda: {"ftjob-2"})
    assert [path.name for path in folders.root.iterdir()] == ["ftjob-2"]


def test_nobody_sweeps_the_files_of_a_job_that_is_about_to_be_written_down(tmp_path: Path, data: Path) -> None:
    ours, theirs, jobs = JobFolders(tmp_path / "training"), JobFolders(tmp_path / "training"), set[str]()
    with ours.taking("ftjob-1", data, None):
        theirs.sweep(lambda: jobs)
        assert ours.files("ftjob-1")[0].is_file()
        jobs.add("ftjob-1")
    theirs.sweep(lambda: jobs)
    assert ours.files("ftjob-1")[0].is_file()


def test_what_was_taken_in_and_never_written_down_is_swept_the_next_time(tmp_path: Path, data: Path) -> None:
    folders = JobFolders(tmp_path / "training")
    with pytest.raises(RuntimeError), folders.taking("ftjob-1", data, None):
        raise RuntimeError("the database is away")
    folders.sweep(set)
    assert list(folders.root.iterdir()) == []


def test_a_file_of_somebodys_is_copied_through_its_link_and_a_file_that_never_changes_is_linked(
    tmp_path: Path, data: Path
) -> None:
    folders, link = JobFolders(tmp_path / "training"), tmp_path / "link.jsonl"
    link.symlink_to(data.name)
    with folders.taking("ftjob-1", link, data, unchanging=[data]):
        pass
    own, held_out = folders.files("ftjob-1")
    assert held_out is not None
    before = own.read_bytes()
    with data.open("ab") as file:
        file.write(b"more")
    assert (own.is_symlink(), own.read_bytes()) == (False, before)
    assert held_out.samefile(data)
