"""What the turns, exposures and outcomes of a rollout add up to; built while it goes, or from what was kept."""

from dataclasses import dataclass, field

from adapters.rollouts.plan import CANARY, Arm, Plan
from adapters.rollouts.ratio import is_void, ratio_p
from adapters.rollouts.sequential import Finding, SequentialTest
from adapters.rollouts.tally import Fault, Tally

_MOST_POINTS = 400
_COMPARED = frozenset({Arm.CANARY, Arm.CONTROL})


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a rollout.

    Attributes:
        response: id of the answer.
        unit: who was answered, masked.
        stage: the rollout's at that time.
        fault: what was wrong with it, as `Fault` says.
        similarity: of a shadow's answer to the one that was shown, from 0 to 1.
    """

    rollout: str
    response: str
    arm: Arm
    unit: str
    stage: str
    fault: Fault
    seconds: float
    at: float
    similarity: float | None = None

    @property
    def exposes(self) -> bool:
        """Whether whoever was answered is compared from now on; with everybody in the canary nobody is."""
        return self.arm in _COMPARED and self.stage in CANARY[:-1] and self.fault is not Fault.ABANDONED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What somebody said of one answer.

    Attributes:
        good: whether it did what it was for; None where nothing is said of that.
        unsafe: whether it should never have been given.
    """

    response: str
    arm: Arm
    unit: str
    compared: bool
    good: bool | None
    unsafe: bool


@dataclass(frozen=True, slots=True)
class Point:
    """The test at one moment."""

    pairs: int
    p: float
    difference: float


@dataclass(slots=True)
class ArmOutcomes:
    """What was said of one arm's answers."""

    good: int = 0
    bad: int = 0


@dataclass(slots=True)
class Course:
    """The sums of one rollout.

    Attributes:
        plan: of the rollout.
        units: units that are compared, by arm.
        exposed: all of them, so that each counts once.
        points: the test's course, thinned out.
    """

    plan: Plan
    tally: Tally = field(init=False)
    test: SequentialTest = field(init=False)
    units: dict[Arm, int] = field(default_factory=lambda: dict.fromkeys(Arm, 0))
    exposed: set[str] = field(default_factory=set)
    outcomes: dict[Arm, ArmOutcomes] = field(default_factory=lambda: {arm: ArmOutcomes() for arm in Arm})
    points: list[Point] = field(default_factory=list)
    similarity: float = 0.0
    compared_texts: int = 0
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tally = Tally(self.plan.stops)
        self.test = SequentialTest(self.plan.alpha, self.plan.tau, self.plan.most)

    def add_turn(self, turn: Turn) -> bool:
        """Count a turn; return whether its unit is met for the first time."""
        self.tally.add(turn.arm, turn.fault, turn.seconds, stage=turn.stage)
        if turn.similarity is not None:
            self.similarity += turn.similarity
            self.compared_texts += 1
        if not turn.exposes or turn.unit in self.exposed:
            return False
        self.exposed.add(turn.unit)
        self.units[turn.arm] += 1
        if self.plan.metric == "faults":
            self._compare(turn.arm, good=turn.fault is Fault.NONE)
        return True

    def add_outcome(self, outcome: Outcome) -> None:
        """Count what was said; of each unit's answers the first is compared, as one unit is one observation."""
        self.tally.arms[outcome.arm].unsafe += outcome.unsafe
        if outcome.good is None:
            return
        of_arm = self.outcomes[outcome.arm]
        of_arm.good += outcome.good
        of_arm.bad += not outcome.good
        if self.plan.metric == "outcome" and outcome.compared and outcome.unit not in self._told:
            self._told.add(outcome.unit)
            self._compare(outcome.arm, good=outcome.good)

    @property
    def ratio(self) -> float:
        """The probability of arms as unequal in size as these."""
        return ratio_p(self.units[Arm.CANARY], self.units[Arm.CONTROL])

    @property
    def finding(self) -> Finding:
        """What the test says; nothing where the arms are not as large as planned."""
        void = is_void(self.units[Arm.CANARY], self.units[Arm.CONTROL])
        return Finding.VOID if void else self.test.finding

    def reason_to_stop(self) -> str | None:
        """Return why the rollout may not go on, in words, or None."""
        if (hard := self.tally.reason_to_stop()) is not None:
            return hard
        if self.finding is Finding.WORSE:
            return (
                f"the new version is worse by {-self.test.difference:.1%} of {self.test.pairs} pairs "
                f"(p {self.test.p:.2g}, alpha {self.plan.alpha:g})"
            )
        return None

    def _compare(self, arm: Arm, *, good: bool) -> None:
        before = self.test.pairs
        self.test.add(canary=arm is Arm.CANARY, good=good)
        if self.test.pairs == before:
            return
        self.points.append(Point(self.test.pairs, self.test.p, self.test.difference))
        if len(self.points) > _MOST_POINTS:
            self.points = [*self.points[:-1:2], self.points[-1]]
