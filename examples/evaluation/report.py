"""How a measurement is shown: a table for the terminal, Markdown for the README, JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from examples.evaluation.measure import Measurement
from examples.evaluation.scores import Scores

_PROMPTS_CAPTION = "validation items; the best prompt goes on"
_TEST_CAPTION = "test items"
_LENIENT_CAPTION = "test items, the labels read leniently: their words anywhere in the first line"


def columns(measurement: Measurement) -> list[str]:
    """Return the headings of a table of scores."""
    first, second = measurement.task.fields
    return [
        "persona",
        f"{first} and {second}",
        "parts right",
        first,
        f"{first} macro-F1",
        second,
        "well-formed line",
    ]


def row(scores: Scores) -> list[str]:
    """Return the cells of one persona."""
    shares = (scores.both, scores.parts, scores.first, scores.first_f1, scores.second, scores.well_formed)
    return [scores.persona, *(f"{share:.3f}" for share in shares)]


def tables(measurement: Measurement) -> list[Table]:
    """Return the tables for the terminal: prompts on validation items, then the comparison."""
    return [
        _table(measurement, _PROMPTS_CAPTION, measurement.prompts),
        _table(measurement, _TEST_CAPTION, (measurement.baseline, measurement.adapted)),
        _table(measurement, _LENIENT_CAPTION, measurement.lenient),
    ]


def verdict(measurement: Measurement) -> str:
    """Return the result in one sentence."""
    found, kind = measurement.comparison, measurement.lenient_comparison
    word = "is worth it" if measurement.worth_it else "is not shown to be worth it"
    return (
        f"The adapter of {measurement.task.persona} {word}: {found.difference:+.3f} against "
        f"{measurement.baseline.persona} (95 % interval {found.low:+.3f} to {found.high:+.3f}, "
        f"n = {len(measurement.adapted.right)}; right where the other is wrong: {found.only_ours} to "
        f"{found.only_theirs}, McNemar p = {found.p_value:.2g}). "
        f"Read leniently, part by part: {kind.difference:+.3f} ({kind.low:+.3f} to {kind.high:+.3f})."
    )


def markdown(measurement: Measurement) -> str:
    """Return both tables and the verdict as Markdown."""
    return "\n\n".join(
        [
            _markdown_table(measurement, _PROMPTS_CAPTION, measurement.prompts),
            _markdown_table(measurement, _TEST_CAPTION, (measurement.baseline, measurement.adapted)),
            _markdown_table(measurement, _LENIENT_CAPTION, measurement.lenient),
            verdict(measurement) + "\n",
        ]
    )


def write(measurement: Measurement, folder: Path) -> None:
    """Write `report.md` and `report.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "persona": measurement.task.persona,
        "worth_it": measurement.worth_it,
        "comparison": asdict(measurement.comparison),
        "lenient_comparison": asdict(measurement.lenient_comparison),
        "valid": [asdict(scores) for scores in measurement.prompts],
        "test": [asdict(measurement.baseline), asdict(measurement.adapted)],
        "test_lenient": [asdict(scores) for scores in measurement.lenient],
    }
    (folder / "report.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(measurement), encoding="utf-8")


def _table(measurement: Measurement, caption: str, scores: Sequence[Scores]) -> Table:
    title = f"{measurement.task.persona}, {len(scores[0].right)} {caption}"
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(columns(measurement)):
        table.add_column(heading, justify="right" if number else "left")
    for each in scores:
        table.add_row(*row(each))
    return table


def _markdown_table(measurement: Measurement, caption: str, scores: Sequence[Scores]) -> str:
    headings = columns(measurement)
    lines = [
        f"**{measurement.task.persona}**, {len(scores[0].right)} {caption}:",
        "",
        f"| {' | '.join(headings)} |",
        f"|---|{'---:|' * (len(headings) - 1)}",
        *(f"| {' | '.join(row(each))} |" for each in scores),
    ]
    return "\n".join(lines)
