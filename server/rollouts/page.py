"""The course of a rollout as one page of HTML: no script, nothing loaded from elsewhere."""

import math
import time
from html import escape
from typing import Any

from adapters.rollouts.tally import Fault

_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 200, 48, 12
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:left;
border-bottom:1px solid #ccc}
svg{max-width:100%}polyline{fill:none;stroke:#0b6;stroke-width:2}line{stroke:#999}text{font-size:11px;fill:#666}"""


def page_of(told: dict[str, Any]) -> str:
    """Return the page of a rollout, as `told` shows it."""
    title = f"{told['adapter']}@{told['version']} beside {told['adapter']}@{told['baseline']}"
    test = told["test"]
    words = (
        f"{test['finding'].replace('_', ' ')} after {test['pairs']} of at most {test['most']} pairs: "
        f"difference {test['difference']:+.1%}, always-valid p {test['p']:.3g} (alpha {told['plan']['alpha']:g}); "
        f"sizes of the arms: p {test['ratio_p']:.3g}"
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(told['state'])} at stage <b>{escape(told['stage'])}</b>, share "
        f"{told['share']:.0%}</p><p>{escape(words)}</p>{_plot(test['points'], told['plan']['alpha'])}"
        f"{_arms(told['arms'])}{_steps(told['steps'])}</html>"
    )


def _plot(points: list[list[float]], alpha: float) -> str:
    """Draw p over pairs, p on a logarithmic scale; the dashed line is alpha."""
    if not points:
        return "<p>No pair has been compared yet.</p>"
    last = max(points[-1][0], 1)
    lowest = min(math.log10(max(min(p for _, p, _ in points), 1e-12)), math.log10(alpha)) - 0.2

    def place(pairs: float, p: float) -> str:
        x = _LEFT + pairs / last * (_WIDTH - _LEFT)
        y = _TOP + math.log10(max(p, 1e-12)) / lowest * (_HEIGHT - 2 * _TOP)
        return f"{x:.1f},{y:.1f}"

    line = " ".join(place(pairs, p) for pairs, p, _ in points)
    height = place(0, alpha).split(",")[1]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="p over pairs">'
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{height}" y2="{height}" stroke-dasharray="4"/>'
        f'<text x="0" y="{height}">α {alpha:g}</text><text x="0" y="{_TOP + 4}">p 1</text>'
        f'<text x="{_WIDTH - 80}" y="{_HEIGHT - 1}">{last:g} pairs</text><polyline points="{line}"/></svg>'
    )


def _arms(arms: dict[str, Any]) -> str:
    rows = [
        [
            name,
            arm["units"],
            arm["turns"],
            *(arm["faults"].get(fault.value, 0) for fault in Fault if fault.value),
            arm["unsafe"],
            f"{arm['good']} / {arm['good'] + arm['bad']}",
            "" if arm["p95_seconds"] is None else f"{arm['p95_seconds']:.2f}",
        ]
        for name, arm in arms.items()
    ]
    heads = ["arm", "units", "turns", *(fault.value for fault in Fault if fault.value), "unsafe", "good", "p95 s"]
    return _table(heads, rows)


def _steps(steps: list[dict[str, Any]]) -> str:
    rows = [
        [
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one["at"])),
            one["did"],
            one["stage"],
            one["by"],
            one["reason"],
        ]
        for one in steps
    ]
    return _table(["when (UTC)", "what", "stage", "by", "why"], rows)


def _table(heads: list[str], rows: list[list[object]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
