"""What a training leaves to look at: OpenAI's table of metrics, and one page with the curves.

Loads jinja2 and leather with the first page.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Curve = Sequence[tuple[int, float]]
_COLUMNS = {
    "train_loss": "loss",
    "train_mean_token_accuracy": "accuracy",
    "valid_loss": "validation_loss",
    "valid_mean_token_accuracy": "validation_accuracy",
    "valid_exact_match": "validation_exact",
}


def table(curves: Mapping[str, Curve]) -> bytes:
    """Return the metrics of each step as CSV, with the columns of OpenAI's result files."""
    rows: dict[int, dict[str, float]] = {}
    for column, name in _COLUMNS.items():
        for step, value in curves.get(name, ()):
            rows.setdefault(int(step), {})[column] = value
    written = io.StringIO()
    writer = csv.DictWriter(written, ["step", *_COLUMNS], restval="", lineterminator="\n")
    writer.writeheader()
    for step in sorted(rows):
        writer.writerow({"step": step, **rows[step]})
    return written.getvalue().encode()


def page(title: str, record: Mapping[str, Any]) -> bytes:
    """Return the curves of a finished training as one HTML page that needs nothing from anywhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from adapters.datasets.report import plots

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    curves = record["curves"]
    drawn = [
        ("Loss", {"training": curves["loss"], "validation": curves["validation_loss"]}),
        (
            "Tokens that were the likeliest",
            {"training": curves["accuracy"], "validation": curves["validation_accuracy"]},
        ),
        ("Whole answers", {"validation": curves["validation_exact"]}),
    ]
    drawn_plots = [(name, Markup(plots.lines(series))) for name, series in drawn if any(series.values())]  # noqa: S704
    html = environment.get_template("curves.html.jinja").render(title=title, record=record, plots=drawn_plots)
    return html.encode()
