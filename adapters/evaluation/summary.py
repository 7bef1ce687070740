"""What an evaluation has found, short enough for a model card: no answers, no slices but those of rules."""

from collections.abc import Mapping
from typing import Any

from adapters.evaluation.evaluation import Evaluation
from adapters.evaluation.figures import ALL

_OF_RULE = ("metric", "slice", "comparator", "op", "margin", "value", "required", "outcome", "reason")


def summary_of(evaluation: Evaluation, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of all arms with their intervals, and what the gate said."""
    gate = result["gate"] or {"rules": []}
    return {
        "id": evaluation.id,
        "name": evaluation.name,
        "persona": evaluation.persona,
        "finished_at": evaluation.finished_at,
        "outcome": None if evaluation.outcome is None else evaluation.outcome.value,
        "reason": evaluation.reason,
        "metrics": [
            {key: figure[key] for key in ("metric", "n", "lower_is_better", "arms")}
            for figure in result["metrics"]
            if figure["slice"] == ALL
        ],
        "rules": [{key: rule.get(key) for key in _OF_RULE} for rule in gate["rules"]],
    }


def markdown_of(told: Mapping[str, Any]) -> str:
    """Return a summary as a paragraph and a table of Markdown."""
    verdict = told["outcome"] or "no gate"
    lines = [
        f"### {told['name']} ({told['id']})",
        "",
        f"{verdict}: {told['reason']}" if told["reason"] else verdict,
    ]
    arms = list(dict.fromkeys(arm for figure in told["metrics"] for arm in figure["arms"]))
    if told["metrics"]:
        lines += ["", f"| metric | n | {' | '.join(arms)} |", "|---" * (2 + len(arms)) + "|"]
    for figure in told["metrics"]:
        values = [_value(figure["arms"].get(arm)) for arm in arms]
        lines.append(f"| {figure['metric']} | {figure['n']} | {' | '.join(values)} |")
    return "\n".join(lines)


def _value(arm: Mapping[str, float] | None) -> str:
    return "" if arm is None else f"{arm['value']:.3f} ({arm['low']:.3f} to {arm['high']:.3f})"
