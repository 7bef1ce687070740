"""What a verdict moves: a version from trained to evaluated, and on to candidate or rejected."""

from adapters.registry import Registry
from adapters.verdict import Outcome, Verdict
from adapters.version import AdapterVersion, VersionState

_LONGEST_REASON = 1_000
_GOES_TO = {Outcome.PASS: VersionState.CANDIDATE, Outcome.FAIL: VersionState.REJECTED}


def settle(registry: Registry, version: AdapterVersion, verdict: Verdict | None, evaluation: str, by: str) -> None:
    """Take a version as far as its verdict says; done twice, it changes nothing more.

    A version that has left the gate behind keeps its state, whatever a later evaluation says of it: its rollout
    decides on it. Inconclusive leaves it evaluated.

    Args:
        registry: the versions.
        version: what was evaluated.
        verdict: what the gate said; None where there is no gate.
        evaluation: its id, for the record.
        by: who asked for the evaluation.
    """
    name, number = version.name, version.version
    said = "evaluated without a gate" if verdict is None else f"{verdict.outcome.value}: {verdict.reason}"
    reason = f"{evaluation}: {said}"[:_LONGEST_REASON]
    if registry.get(name, number).state is VersionState.TRAINED:
        registry.transition(name, number, VersionState.EVALUATED, by=by, reason=reason)
    to = None if verdict is None else _GOES_TO.get(verdict.outcome)
    if to is not None and registry.get(name, number).state is VersionState.EVALUATED:
        registry.transition(name, number, to, by=by, reason=reason)
