"""The story of two versions that are tried: one is taken back, one stays; and what a kill must leave."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from adapters.rollouts.course import Turn
from adapters.rollouts.observations import Observations
from adapters.rollouts.plan import Arm, Plan
from adapters.rollouts.store import Rollouts
from adapters.rollouts.tally import Fault
from adapters.version import AdapterVersion, VersionState
from core.database import Database
from tests.faults.document_models import Fact
from tests.faults.witness import Witness

_NOW = 1_800_000_000.0
_LIVE = {"shadow": VersionState.SHADOW}


def rollouts(base: Path, witness: Witness) -> None:
    """Try the second version up to a quarter and stop it; try the third one into production, and go back."""
    database = Database(base / "repertory.db")
    registry = Registry(database, base / "adapters")
    store, seen = Rollouts(database, registry, _now), Observations(database, _now)
    model = BaseModel.load(base / "base")
    for seed in range(3):
        registry.import_folder(base / f"source{seed}", "coach", base=model, limits=ImportLimits())
    registry.promote("coach", 1, by="ada", reason="a story", override=True)
    for number, stages in ((2, ("1", "25")), (3, ("50", "100", "production"))):
        witness.attempt("approved", number)
        registry.approve("coach", number, by="bob", reason="a story", override=True)
        witness.acknowledge("approved", number)
        witness.attempt("at", number, "shadow")
        rollout = store.start("coach", number, stage="shadow", plan=Plan(), by="ada")
        witness.acknowledge("at", number, "shadow")
        for stage in stages:
            witness.attempt("at", number, stage)
            store.advance(rollout.id, stage, by="ada")
            witness.acknowledge("at", number, stage)
            witness.attempt("seen", number, stage)
            seen.add([Turn(rollout.id, f"{number}-{stage}", Arm.CANARY, stage, stage, Fault.NONE, 1.0, _NOW)])
            witness.acknowledge("seen", number, stage)
        if number == 2:
            witness.attempt("stopped", number)
            store.stop(rollout.id, by="ada", reason="a story")
            witness.acknowledge("stopped", number)
    witness.attempt("back", 1)
    registry.rollback("coach", by="ada", reason="a story")
    witness.acknowledge("back", 1)


def check_rollouts(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """One version answers; each rollout, the state of its version and its steps tell the same; no turn is lost."""
    database = Database(base / "repertory.db")
    registry = Registry(database, base / "adapters")
    registry.reconcile()
    store, seen = Rollouts(database, registry, _now), Observations(database, _now)
    versions = {one.version: one for one in registry.list("coach")}
    production = registry.production("coach")
    answering = [one for one in versions.values() if one.state is VersionState.PRODUCTION]
    assert answering == ([production] if production else [])
    facts = [*done, *([tried] if tried else [])]
    found = {one.version: one for one in store.list("coach")}
    assert len(store.list("coach", live=True)) <= 1
    for number in (2, 3):
        promised = [fact for fact in done if fact[1] == number]
        possible = [fact for fact in facts if fact[1] == number]
        stages = [str(fact[2]) for fact in promised if fact[0] == "at"]
        if number not in found:
            assert not stages
            continue
        rollout = found[number]
        told = store.steps(rollout.id)
        assert told[-1].stage == rollout.stage
        assert rollout.stage in [*stages[-1:], *(str(f[2]) for f in possible[-1:] if f[0] == "at")]
        ended = rollout.outcome.value if rollout.outcome else None
        if ("stopped", number) in promised:
            assert ended == "stopped"
        state = versions[number].state
        if ended == "stopped":
            assert state is VersionState.ROLLED_BACK
        elif ended == "promoted":
            assert rollout.stage == "production"
            assert state in (VersionState.PRODUCTION, VersionState.ROLLED_BACK)
        else:
            assert state is _LIVE.get(rollout.stage, VersionState.CANARY)
        kept = seen.course(rollout).tally.arms[Arm.CANARY].turns
        promised_turns = sum(fact[0] == "seen" for fact in promised)
        assert kept in (promised_turns, promised_turns + (tried is not None and tried[0] == "seen"))
    if ("back", 1) in done:
        assert production is not None
        assert production.version == 1
    _check_record(database, versions)
    _go_on(store, registry)
    database.close()


def _check_record(database: Database, versions: dict[int, AdapterVersion]) -> None:
    """The record tells the state of every version, line by line."""
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT version, from_state, to_state FROM adapter_transitions ORDER BY id")
        ).all()
    state: dict[int, str] = {}
    for row in rows:
        assert row.from_state == state.get(row.version)
        state[row.version] = row.to_state
    assert state == {number: version.state.value for number, version in versions.items()}


def _go_on(store: Rollouts, registry: Registry) -> None:
    """Whatever is left, an operator can end it and go back to work."""
    for rollout in store.list(live=True):
        store.stop(rollout.id, by="ada", reason="after the crash")
    if (production := registry.production("coach")) is not None and len(registry.list("coach")) == 3:
        other = 2 if production.version != 2 else 3
        registry.promote("coach", other, by="ada", reason="after the crash", override=True)
        assert registry.rollback("coach", by="ada").version == production.version


def _now() -> float:
    return _NOW
