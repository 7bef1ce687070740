"""The report as one HTML page that needs nothing from anywhere: no script, no font, no picture but its own."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from adapters.datasets.report import plots
from adapters.datasets.report.checking import Checked

_SHOWN = 200


def page(checked: Checked) -> str:
    """Return the page; whatever stands in a row is text there, never markup."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        report=checked.shown(), by_code=checked.by_code(), shown=_SHOWN, plots=_plots(checked)
    )


def _plots(checked: Checked) -> list[tuple[str, Markup]]:
    drawn: list[tuple[str, str]] = []
    if checked.lengths:
        drawn.append(("Tokens of an example", plots.histogram([one.total for one in checked.lengths])))
        drawn.append(("Tokens that are learnt", plots.histogram([one.learnt for one in checked.lengths])))
    elif checked.dataset.examples:
        sizes = [sum(len(text) for _, text in one.texts()) for one in checked.dataset.examples]
        drawn.append(("Characters of an example", plots.histogram(sizes)))
    if labels := checked.labels():
        drawn.append(("Labels", plots.bars(labels)))
    if turns := checked.turns():
        drawn.append(("Answers in an example", plots.columns({str(one): turns[one] for one in sorted(turns)})))
    return [(title, Markup(svg)) for title, svg in drawn]  # noqa: S704 - leather escapes what it is given
