"""Hundreds of kills at random steps of every story. Run by `make soak`."""

import random
from collections import Counter
from collections.abc import Collection

import pytest

from tests.faults.document_stories import DOCUMENT_STORIES
from tests.faults.kills import Killer
from tests.faults.stories import STORIES

pytestmark = pytest.mark.soak
_LIFECYCLE = ("datasets", "jobs", "evaluations", "rollouts")
"""From examples to a version that answers."""


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Killer:
    return Killer(tmp_path_factory.mktemp("kills"))


def test_kills_at_random_steps_lose_nothing(killer: Killer, pytestconfig: pytest.Config) -> None:
    _kill(killer, STORIES.keys() - DOCUMENT_STORIES.keys() - {"jobs"}, int(pytestconfig.getoption("soak_kills")))


def test_kills_at_random_steps_lose_no_data_set_no_version_and_no_verdict(
    killer: Killer, pytestconfig: pytest.Config
) -> None:
    _kill(killer, _LIFECYCLE, int(pytestconfig.getoption("soak_adapter_kills")))


def test_kills_at_random_steps_lose_no_document(killer: Killer, pytestconfig: pytest.Config) -> None:
    _kill(killer, DOCUMENT_STORIES, int(pytestconfig.getoption("soak_document_kills")))


def _kill(killer: Killer, stories: Collection[str], kills: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance, landed = random.Random(seed), Counter[str]()
    lengths = {story: len(killer.steps(story)) for story in sorted(stories)}
    print(f"\n{kills} kills, seed {seed}")  # noqa: T201  the log of the run
    for _ in range(kills):
        story = chance.choice(sorted(stories))
        telling = killer.kill(story, chance.randint(1, lengths[story]))
        assert telling.at is not None
        landed[f"{story}: {telling.at[0]}"] += 1
    print("\n".join(f"{count:5} {step}" for step, count in sorted(landed.items())))  # noqa: T201
    assert sum(landed.values()) == kills
