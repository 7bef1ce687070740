"""The shape of an eval file: sets of cases with graders, the base to compare with, the judge, and the gate."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from adapters.evaluation.answer import Arm
from adapters.evaluation.case import Case, Message, Part, Word
from adapters.evaluation.graders import Grader
from adapters.evaluation.judge_options import Judge

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
_PER_CASE = ("label", "bleu", "chrf")


class Base(Part):
    """The prompt alone, as good as it gets: what an adapter must beat."""

    persona: Name | None = Field(None, description="A persona with the best prompt; else the persona itself.")
    shots: list[Message] = Field(
        default_factory=list, max_length=100, description="Turns that are told before each question."
    )


class CaseOfSet(Case):
    """A case with graders of its own, in place of those of its set."""

    graders: list[Grader] | None = Field(None, description="In place of the set's graders.")

    @model_validator(mode="after")
    def _alone(self) -> "CaseOfSet":
        for grader in self.graders or ():
            if grader.kind in _PER_CASE:
                raise ValueError(f"{grader.kind!r} measures a whole set; write it under the set's graders")
        _refuse_repeated(self.graders or ())
        return self


class CaseSet(Part):
    """Cases that belong together, and how they are graded."""

    name: Name = Field(description="Names its metrics: `NAME.exact`.")
    builtin: Literal["safety", "retention"] | None = Field(None, description="A set that comes with the server.")
    cases: list[CaseOfSet] = Field(default_factory=list, max_length=20_000, description="Cases in this file.")
    data: str | None = Field(None, max_length=200, description="A data set: NAME@VERSION/PART.")
    file: str | None = Field(
        None, max_length=1_000, description="A JSONL file of cases or chats, beside this one."
    )
    limit: int | None = Field(None, ge=1, description="Only so many of them, spread evenly.")
    graders: list[Grader] = Field(default_factory=list, max_length=20, description="How its answers are graded.")
    judge: bool = Field(False, description="The judge compares its answers, too.")
    canaries: list[Word] = Field(
        default_factory=list,
        description="With `builtin: safety`: secrets of the training data that must not come out.",
    )

    @model_validator(mode="after")
    def _has_cases(self) -> "CaseSet":
        given = [bool(self.cases), self.data is not None, self.file is not None, self.builtin is not None]
        if sum(given) != 1:
            raise ValueError("say once where its cases are: `cases`, `data`, `file` or `builtin`")
        if self.builtin is not None and self.graders:
            raise ValueError("a builtin set brings its own graders")
        graded = self.graders or self.judge or self.builtin or all(case.graders for case in self.cases)
        if not graded or (self.cases == [] and not (self.graders or self.builtin or self.judge)):
            raise ValueError("nothing grades it; write `graders: [{kind: exact}]`, for example")
        if self.canaries and self.builtin != "safety":
            raise ValueError("`canaries` go with `builtin: safety`")
        _refuse_repeated(self.graders)
        return self


def _refuse_repeated(graders: Sequence[Grader]) -> None:
    repeated = [name for name, count in Counter(one.metric for one in graders).items() if count > 1]
    if repeated:
        raise ValueError(f"two graders measure {repeated[0]!r}; give one of them a `name`")


class Rule(Part):
    """One line of the gate.

    With `base` or `current`, `op` is about the difference of the candidate to it; with `absolute`, about `value`.
    """

    metric: str = Field(
        pattern=r"^[a-z0-9][a-zA-Z0-9_.-]{0,200}$", description="`SET.METRIC`, as the report names it."
    )
    slice: str = Field("all", max_length=300, description="`all`, `label:NAME` or `tag:NAME`.")
    comparator: Literal["base", "current", "absolute"] = Field(description="What it is compared with.")
    op: Literal[">", ">=", "<", "<="] = Field(
        description="`>` better than; `>=` not worse than; `<` and `<=` where less is better."
    )
    margin: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="`>`: better by more than this; `>=`: worse by this at most."
    )
    value: float | None = Field(
        None, allow_inf_nan=False, description="With `absolute`: the bar; `>= 1` wants every case to be right."
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Two-sided chance of being wrong.")
    min_n: int = Field(30, ge=1, description="With fewer cases nothing can be said.")
    required: bool = Field(True, description="false: told, and no reason to refuse.")

    @model_validator(mode="after")
    def _fits(self) -> "Rule":
        if (self.comparator == "absolute") != (self.value is not None):
            raise ValueError("`value` goes with `comparator: absolute`, and that with `value`")
        return self

    @property
    def arm(self) -> Arm | None:
        """The arm that it compares with."""
        return None if self.comparator == "absolute" else Arm(self.comparator)


class EvalSpec(Part):
    """One evaluation: the same questions to the prompt alone, the current and the candidate version."""

    name: Name = Field(description="Names the evaluation.")
    persona: Name = Field(description="The persona whose answers are graded.")
    base: Base = Field(default_factory=Base, description="What the adapter is compared with.")
    max_tokens: int = Field(256, ge=1, le=8_192, description="Longest answer.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the engine and of the resamples.")
    concurrency: int = Field(4, ge=1, le=64, description="Questions at a time.")
    sets: list[CaseSet] = Field(min_length=1, max_length=50, description="What is asked.")
    judge: Judge | None = Field(None, description="A model that compares answers.")
    gate: list[Rule] = Field(default_factory=list, max_length=50, description="What a version must show to pass.")

    @model_validator(mode="after")
    def _consistent(self) -> "EvalSpec":
        names = [one.name for one in self.sets]
        if len(set(names)) != len(names):
            raise ValueError("two sets have one name; give each its own")
        if any(one.judge for one in self.sets) and self.judge is None:
            raise ValueError("a set wants the judge, and no `judge` says where it is")
        for rule in self.gate:
            if rule.metric.partition(".")[0] not in names:
                raise ValueError(
                    f"the gate names {rule.metric!r}, and there is no such set; sets: {', '.join(names)}"
                )
        required = [rule for rule in self.gate if rule.required]
        if required and all(rule.metric.endswith(".judge") for rule in required):
            raise ValueError("a judge alone is no gate; add a required rule on another metric")
        return self
