"""The gate of a training pipeline: evaluates a new version as its persona says, and waits for the verdict."""

import threading
from pathlib import Path

from adapters.evaluation import EvalState, Evaluation, inlined, read_spec
from adapters.verdict import Outcome, Verdict
from adapters.version import AdapterVersion
from core.errors import RepertoryError, Unavailable
from core.ids import PrincipalId
from core.principal import Principal, Scope
from server.evaluation.beginning import Beginning
from server.evaluation.worker import EvaluationWorker
from server.personas.loader import Persona

PIPELINE = Principal(PrincipalId("pipeline"), frozenset({Scope.ADMIN}))
"""Who asks where a training asks for a verdict."""

_POLL_SECONDS = 0.5


class PipelineGate:
    """Evaluates versions; an instance is an `adapters.verdict.Evaluate`.

    Args:
        beginning: begins evaluations.
        worker: works on them, in another thread.
        root: the folder that eval files of personas are named in.
    """

    def __init__(self, beginning: Beginning, worker: EvaluationWorker, root: Path) -> None:
        self._beginning = beginning
        self._worker = worker
        self._root = root
        self._closing = threading.Event()

    def __call__(self, version: AdapterVersion) -> Verdict | None:
        """Return the verdict on a version; None where no persona says how it is evaluated. Blocking.

        Asked again after a kill, it goes on with the evaluation that was under way.

        Raises:
            Unavailable: the server is stopping.
        """
        persona = self._persona(version)
        if persona is None or persona.spec.evaluation is None:
            return None
        path = self._root / persona.spec.evaluation
        try:
            spec = inlined(read_spec(path), path.parent)
            begun = self._beginning.begin(spec, version.version, PIPELINE, moves=False)
        except RepertoryError as error:
            return Verdict(Outcome.INCONCLUSIVE, f"It could not be evaluated: {error.message}", "")
        self._worker.wake()
        return self._awaited(begun)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closing.set()

    def _persona(self, version: AdapterVersion) -> Persona | None:
        mine = [one for one in self._beginning.personas.personas if one.spec.model.adapter == version.name]
        return next((one for one in mine if one.spec.evaluation is not None), None)

    def _awaited(self, begun: Evaluation) -> Verdict:
        while True:
            found = self._beginning.store.get(begun.id)
            if found.state is EvalState.DONE:
                told = found.verdict()
                return told or Verdict(Outcome.INCONCLUSIVE, "The eval file has no gate.", found.id)
            if found.state is not EvalState.QUEUED:
                why = (found.error or {}).get("message", f"it was {found.state.value}")
                return Verdict(Outcome.INCONCLUSIVE, f"The evaluation has no result: {why}", found.id)
            if self._closing.wait(_POLL_SECONDS):
                raise Unavailable("The server is stopping. The evaluation goes on when it runs again.")
