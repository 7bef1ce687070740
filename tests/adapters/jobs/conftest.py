"""A house of jobs with a tiny base, and a worker that may work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
