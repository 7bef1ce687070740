"""Writes the demo data sets: `python -m examples.datasets.build`.

Owns sizes, seeds and places of the files; must never know the wording of a row. The same phrases give
the same bytes, so that a change of the data is a change that git shows.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from rich.console import Console

from examples.datasets.coach import CoachRows
from examples.datasets.phrases import SPLITS, Split, coach_phrases, support_phrases
from examples.datasets.prompts import Row, action_names, system_message
from examples.datasets.support import SupportRows

FOLDER = Path(__file__).parent
_SUPPORT_SIZES: dict[Split, int] = {"train": 504, "valid": 63, "test": 147}
_COACH_NOTES: dict[Split, int] = {"train": 200, "valid": 60, "test": 140}


def support_rows(split: Split) -> list[Row]:
    """Return the rows of `support-agent` in `split`."""
    rows = SupportRows(support_phrases(), system_message("support-agent"), split, _random(split))
    return rows.build(_SUPPORT_SIZES[split])


def coach_rows(split: Split) -> list[Row]:
    """Return the rows of `scrum-coach` in `split`; only training rows carry more than notes."""
    random = _random(split)
    maker = CoachRows(coach_phrases(), system_message("scrum-coach"), action_names("scrum-coach"), split, random)
    rows = maker.notes(_COACH_NOTES[split])
    if split == "train":
        rows += [*maker.answers(40), *maker.unknown(), *maker.smalltalk(), *maker.decisions(96)]
        rows += [*maker.choices(132), *maker.calls(66), *maker.results(48)]
    random.shuffle(rows)
    return rows


def write(folder: Path) -> dict[str, int]:
    """Write every file under `folder` and return the number of rows of each."""
    counts: dict[str, int] = {}
    for split in SPLITS:
        for persona, rows in (("support-agent", support_rows(split)), ("scrum-coach", coach_rows(split))):
            path = folder / persona / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_lines(rows), encoding="utf-8")
            counts[f"{persona}/{split}.jsonl"] = len(rows)
    return counts


def _lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _random(split: Split) -> Random:
    return Random(f"repertory {split}")  # noqa: S311 (phrases are drawn, no secrets)


if __name__ == "__main__":
    console = Console()
    for name, count in write(FOLDER).items():
        console.print(f"{name}: {count} rows")
