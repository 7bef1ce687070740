"""The report as one HTML page that needs nothing from anywhere: no script, no font, no picture but its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_SHOWN = 500
_WIDTH, _HEIGHT = 220, 26


def page(told: Mapping[str, Any]) -> str:
    """Return the page of an evaluation and its result; whatever an answer holds is text there, never markup."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["bar"] = bar
    whole = [one for one in told["metrics"] if one["slice"] == "all"]
    return environment.get_template("page.html.jinja").render(
        report=told,
        whole=whole,
        slices=[one for one in told["metrics"] if one["slice"] != "all"],
        scales={one["metric"]: scale(one["arms"].values()) for one in told["metrics"]},
        answers=_changed_first(told["answers"])[:_SHOWN],
        hidden=max(0, len(told["answers"]) - _SHOWN),
    )


def scale(arms: Sequence[Mapping[str, float]]) -> float:
    """Return what the right end of a bar stands for."""
    most = max((one["high"] for one in arms), default=1.0)
    return 1.0 if most <= 1 else most


def bar(arm: Mapping[str, float], most: float) -> Markup:
    """Draw a value with its interval."""
    low, high, value = (round(_WIDTH * max(0.0, min(1.0, arm[key] / most)), 1) for key in ("low", "high", "value"))
    return Markup(
        '<svg width="{w}" height="{h}" role="img" aria-label="{v:.3f}">'
        '<rect width="{w}" height="8" y="9" fill="#eee"/>'
        '<rect x="{low}" width="{span}" height="8" y="9" fill="#9bd"/>'
        '<rect x="{value}" width="2" height="16" y="5" fill="#124"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, v=arm["value"], low=low, span=max(1.0, high - low), value=value)


def _changed_first(answers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Put those first in which the arms differ in a score, then those in words: a reader looks for them."""
    return sorted(answers, key=lambda one: (not _differs(one, _scores), not _differs(one, _words)))


def _differs(answer: Mapping[str, Any], told: Callable[[Mapping[str, Any]], object]) -> bool:
    first, *others = map(told, answer["arms"].values())
    return any(one != first for one in others)


def _scores(arm: Mapping[str, Any]) -> object:
    return {name: one["score"] for name, one in arm["scores"].items()}


def _words(arm: Mapping[str, Any]) -> object:
    return arm["text"], arm["calls"]
