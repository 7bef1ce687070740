"""The sections `intents`, `replies`, `calls` and `products`: each a task that goes its whole road."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.lifecycle.road import STAGES, Road, Travelled, server_for
from benchmarks.lifecycle.tasks import Row, Task, calls, intents, products, replies
from benchmarks.report import FINE_TUNING
from benchmarks.section import Bench, Section

_NAMES = {
    "test.intent.accuracy": "accuracy",
    "test.intent.macro_f1": "macro-F1",
    "test.exact": "reply right to the letter",
    "test.chrf": "chrF (of 100)",
    "test.rouge_l": "ROUGE-L",
    "test.tool_call": "call right, or rightly none",
    "test.normalised": "product right",
    "general.surprise": "plain sentences: nats a token (less is better)",
}
_ARMS = {"instructions": "instructions alone", "shots": "instructions and an example of each label"}


def shown(task: Task, travelled: Travelled) -> list[str]:
    """Return the section's lines, in Markdown."""
    return [
        f"The whole road of {task.title}: `repertory dataset import`, `adapter train`, the gate of the",
        "persona's eval file, `adapter approve` by somebody else, `rollout` and `adapter rollback`.",
        f"{len(task.train)} rows to learn from, {len(task.valid)} to choose the weights by, {len(task.cases)}",
        "questions through the served persona; defaults but for `REPERTORY_TRAINING_ENGINE=drain`.",
        "",
        *_figures(task, travelled),
        "",
        *_course(task, travelled),
    ]


def _figures(task: Task, travelled: Travelled) -> list[str]:
    columns = list(travelled.reports)
    head = [*(_ARMS[name] for name in columns), "adapter", "adapter over the instructions"]
    lines = [f"| | {' | '.join(head)} |", "|---|" + "---:|" * len(head)]
    for metric in task.metrics:
        found = [_metric(travelled.reports[name], metric) for name in columns]
        cells = [_interval(one["arms"]["base"]) for one in found]
        cells += [_interval(found[0]["arms"]["candidate"]), _interval(found[0]["differences"]["base"], sign="+")]
        lines.append(f"| {_NAMES[metric]} (n = {found[0]['n']}) | {' | '.join(cells)} |")
    return [*lines, "", "In brackets 95 % intervals."]


def _course(task: Task, travelled: Travelled) -> list[str]:
    report, training = travelled.reports["instructions"], travelled.training
    rules = [f"  - {rule['outcome']}: {rule['reason']}" for rule in report["gate"]["rules"]]
    lines = [
        f"- Training: **{training['seconds'] / 60:.1f} minutes** ({training['steps']} steps of "
        f"{training['config']['batch_size']}, {training['trained_tokens']:,} tokens, "
        f"{training['hardware']['threads']} threads, engine {training['hardware']['engine']}); "
        f"kept: step {training['kept_step']}. Evaluation and gate: "
        f"{(report['finished_at'] - report['created_at']) / 60:.1f} minutes for {report['total']} answers.",
        f"- Gate: **{report['outcome']}**; the version is `{travelled.version['state']}`.",
        *rules,
    ]
    if travelled.stages:
        lines += ["", *_stages(task, travelled)]
    return lines


def _stages(task: Task, travelled: Travelled) -> list[str]:
    first, second = (f"{task.name}@{number}" for number in (1, 2))
    asked = sum(travelled.stages[STAGES[0]].values())
    lines = [
        "Version 1 was approved by somebody else and put into production. Version 2, trained for one epoch with",
        f"another seed, came out of its gate as `{travelled.second['state']}`, was approved and rolled out.",
        f"{asked} users at each stage, each with one question; which version answered them:",
        "",
        "| stage | version 1 | version 2 |",
        "|---|---:|---:|",
    ]
    rows = [*travelled.stages.items(), ("after `adapter rollback`", travelled.after)]
    for stage, met in rows:
        name = f"{stage} %" if stage.isdigit() else stage
        lines.append(f"| {name} | {met[first]} | {met[second]} |")
    shadow = travelled.shadow["arms"]["shadow"]["turns"]
    return [
        *lines,
        "",
        f"In the shadow version 2 answered {shadow} of the questions without being shown. The first turn that was",
        f"asked after the answer of `adapter rollback` began {travelled.way_back:.1f} ms later, and version 1",
        "answered it.",
    ]


def _metric(report: Row, name: str) -> Row:
    found: Row = next(one for one in report["metrics"] if one["metric"] == name and one["slice"] == "all")
    return found


def _interval(one: Row, sign: str = "") -> str:
    form = f"{sign}.1f" if abs(one["value"]) > 5 else f"{sign}.3f"
    return f"**{one['value']:{form}}** ({one['low']:{form}} to {one['high']:{form}})"


def _measure(make: Callable[[Path], Task], data: str | None, bench: Bench) -> Sequence[str]:
    task = make(_folder(bench, data) if data else Path())
    with tempfile.TemporaryDirectory() as made, server_for(task, Path(made)) as server:
        return shown(task, Road(task, server, Path(made)).travel())


def _folder(bench: Bench, data: str) -> Path:
    """Return the folder of a set: the one that was named, or the one in it."""
    sets = bench.sets()
    return sets / data if (sets / data).is_dir() else sets


SECTIONS: tuple[Section, ...] = (
    Section("intents", "Measured: ten intents", partial(_measure, intents, "clinc150"), FINE_TUNING),
    Section("replies", "Measured: style and facts", partial(_measure, replies, "bitext_support"), FINE_TUNING),
    Section("calls", "Measured: tool calls", partial(_measure, calls, "bfcl_functions"), FINE_TUNING),
    Section("products", "Measured: what cannot be learnt", partial(_measure, products, None), FINE_TUNING),
)
