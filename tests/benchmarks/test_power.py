"""The table of the sequential test's power is that of the script, and the script finds what is there."""

import numpy as np

from adapters.rollouts.plan import Plan
from benchmarks.power import BEGIN, DOCUMENT, END, SCENES, simulated, table


def test_a_large_difference_is_found_soon_and_none_is_hardly_found() -> None:
    random, plan = np.random.default_rng(1), Plan(most=400)
    large = simulated(0.9, -0.3, 20, plan, random)
    assert large.found == 1.0
    assert large.pairs is not None
    assert large.pairs < 150
    assert simulated(0.9, 0.0, 40, plan, random).found <= 0.1


def test_the_document_shows_a_row_for_each_scene() -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    rows = [line for line in shown.strip().splitlines() if line.startswith("| ")][1:]
    empty = table(iter(())).splitlines()
    assert shown.strip().splitlines()[:2] == empty
    assert len(rows) == len(SCENES)
