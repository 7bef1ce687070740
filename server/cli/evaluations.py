"""Evaluations as the command line begins, follows and reads them."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from adapters.datasets import Datasets, Reference
from adapters.evaluation import EvalSpec, counts, inlined, read_spec
from core.clock import system_clock
from core.errors import InvalidRequest, Unavailable, UpstreamFailed
from server.cli.gateway import read
from server.cli.progress_bar import bar_with_rate
from server.cli.session import Session

_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_OPEN = ("queued",)


class Eval(BaseModel):
    """An evaluation as the API tells it."""

    model_config = ConfigDict(extra="ignore")

    id: str
    name: str
    persona: str
    adapter: str | None
    version: int | None
    state: str
    done: int
    total: int
    per_second: float | None
    seconds_left: float | None
    outcome: str | None
    reason: str | None
    error: dict[str, str] | None
    stale: bool

    @property
    def subject(self) -> str:
        """What is evaluated."""
        return self.persona if self.version is None else f"{self.adapter}@{self.version}"

    @property
    def told(self) -> str:
        """Its verdict, or why there is none."""
        stale = " (stale: evaluate again)" if self.stale and self.outcome else ""
        return (self.error or {}).get("message", self.outcome or "") + stale

    @property
    def progress(self) -> str:
        """How far it is, in a sentence."""
        rate = f", {self.per_second:.2f} a second" if self.per_second else ""
        left = f", about {self.seconds_left:.0f} s left" if self.seconds_left else ""
        why = f": {self.error['message']}" if self.error else ""
        return f"{self.id} is {self.state}: {self.done} of {self.total} answers{rate}{left}{why}"


def begin(session: Session, file: Path, version: int | None) -> Eval:
    """Send an eval file with all its cases to the server.

    Raises:
        EvalFileInvalid: it has problems.
    """
    spec = inlined(read_spec(file), file.parent)
    body: dict[str, object] = {"spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True)}
    if version is not None:
        body["version"] = version
    return _one(session.gateway().post("/api/evals", body))


def follow(session: Session, begun: Eval) -> Eval:
    """Show how far it is until it ends.

    Raises:
        UpstreamFailed: it has no result.
    """
    gateway, pause, found = session.gateway(), _PAUSE, begun
    bar = bar_with_rate()
    with bar:
        task = bar.add_task(begun.id, total=begun.total, completed=begun.done, rate="")
        while found.state in _OPEN:
            time.sleep(pause)
            try:
                found, pause = _one(gateway.get(f"/api/evals/{begun.id}")), _PAUSE
            except (Unavailable, UpstreamFailed):
                pause = min(2 * pause, _LONGEST_PAUSE)  # the server may come back, and goes on by itself
                continue
            rate = f"{found.per_second:.2f}/s" if found.per_second else ""
            phase = "Grading" if found.done == found.total else "Asking"
            bar.update(task, description=phase, completed=found.done, rate=rate)
    if found.state != "done":
        why = (found.error or {}).get("message", f"it is {found.state}")
        raise UpstreamFailed(f"{found.id} has no result: {why}", code="evaluation_failed")
    return found


def report_of(session: Session, eval_id: str, html: Path | None) -> dict[str, Any]:
    """Return the report, and write it as a page where that is wanted.

    Raises:
        InvalidRequest: the page cannot be written.
    """
    told = session.gateway().get(f"/api/evals/{eval_id}/report")
    if not isinstance(told, dict):
        raise UpstreamFailed("The server's answer has an unknown shape. Are its version and yours the same?")
    if html is not None:
        from adapters.evaluation.report import page

        try:
            html.write_text(page(told), encoding="utf-8")
        except OSError as error:
            raise InvalidRequest(f"{str(html)!r} cannot be written: {error.strerror}.") from error
    return told


def all_of(session: Session, adapter: str | None) -> list[Eval]:
    """Return the newest evaluations."""
    query = {} if adapter is None else {"adapter": adapter}
    return read(Eval, session.gateway().get("/api/evals", **query))


def one_of(session: Session, eval_id: str) -> Eval:
    """Return one evaluation."""
    return _one(session.gateway().get(f"/api/evals/{eval_id}"))


def checked(session: Session, file: Path) -> tuple[dict[str, tuple[int, str]], list[str]]:
    """Return set → cases and graders, and what is doubtful.

    Raises:
        EvalFileInvalid: it has problems.
    """
    from server.evaluation.requests import checked_tasks

    spec = inlined(read_spec(file), file.parent)
    with session.database() as database:
        datasets = Datasets(database, session.settings().datasets_dir, system_clock)

        def find(name: str) -> tuple[Path, str]:
            reference = Reference.parse(name)
            return datasets.file(reference), datasets.get(reference).label_key

        tasks = checked_tasks(spec, find)
    sets: dict[str, tuple[int, str]] = {}
    for one in spec.sets:
        mine = [task for task in tasks if task.set == one.name]
        graders = dict.fromkeys(grader.metric for task in mine for grader in task.graders)
        sets[one.name] = (len(mine), ", ".join([*graders, *(["judge"] if one.judge else [])]))
    return sets, list(_doubts(spec, counts(tasks)))


def metric_rows(told: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield what a terminal shows of each metric over all cases."""
    for one in told["metrics"]:
        if one["slice"] == "all":
            arms = [_interval(one["arms"].get(arm)) for arm in ("base", "current", "candidate")]
            differences = [_difference(one["differences"].get(arm)) for arm in ("base", "current")]
            yield (one["metric"], one["n"], *arms, *differences)


def rule_rows(gate: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield what a terminal shows of each rule."""
    for rule in gate["rules"]:
        advisory = "" if rule["required"] else " (advisory)"
        yield f"{rule['metric']} {rule['op']} {rule['comparator']}{advisory}", rule["outcome"], rule["reason"]


def _doubts(spec: EvalSpec, cases: Mapping[tuple[str, str], int]) -> Iterator[str]:
    if not any(rule.required for rule in spec.gate):
        yield "no rule of the gate is required, so no version can pass."
    elif not any(rule.required and rule.comparator == "base" and rule.op in (">", "<") for rule in spec.gate):
        yield "no required rule wants more than the prompt alone achieves."
    for rule in spec.gate:
        if rule.comparator != "absolute" and rule.op in (">=", "<=") and rule.margin == 0:
            yield f"{rule.metric} {rule.op} {rule.comparator} has no `margin`: only what is better passes."
        count = cases[rule.metric, rule.slice]
        if count < rule.min_n:
            where = "" if rule.slice == "all" else f" in {rule.slice}"
            yield f"{rule.metric}{where} wants {rule.min_n} cases and has {count}: it will be inconclusive."


def _interval(arm: Mapping[str, float] | None) -> str:
    return "" if arm is None else f"{arm['value']:.3f} ({arm['low']:.3f}–{arm['high']:.3f})"


def _difference(one: Mapping[str, float] | None) -> str:
    return "" if one is None else f"{one['value']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"


def _one(body: object) -> Eval:
    return read(Eval, {"data": [body]})[0]
