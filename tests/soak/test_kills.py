"""Hundreds of kills at random steps of every story. Run by `make soak`."""

import random
from collections import Counter

import pytest

from tests.faults.kills import Killer
from tests.faults.stories import STORIES

pytestmark = pytest.mark.soak


def test_kills_at_random_steps_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> None:
    kills = int(pytestconfig.getoption("soak_kills"))
    seed = random.SystemRandom().randrange(1 << 32)
    chance, killer, landed = random.Random(seed), Killer(tmp_path_factory.mktemp("kills")), Counter[str]()
    lengths = {story: len(killer.steps(story)) for story in STORIES}
    print(f"\n{kills} kills, seed {seed}")  # noqa: T201  the log of the run
    for _ in range(kills):
        story = chance.choice(sorted(STORIES))
        telling = killer.kill(story, chance.randint(1, lengths[story]))
        assert telling.at is not None
        landed[f"{story}: {telling.at[0]}"] += 1
    print("\n".join(f"{count:5} {step}" for step, count in sorted(landed.items())))  # noqa: T201
    assert sum(landed.values()) == kills
