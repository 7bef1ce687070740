"""How an evaluation begins: whose persona, which versions, which cases. Blocking."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.datasets import Datasets, Reference
from adapters.evaluation import (
    Definition,
    EvalSpec,
    Evaluation,
    Evaluations,
    NewEvaluation,
)
from adapters.registry import Registry
from adapters.version import AdapterVersion
from core.errors import InvalidRequest
from core.principal import Principal
from server.evaluation.principals import kept_principal
from server.evaluation.requests import checked_tasks
from server.personas.library import PersonaLibrary
from server.personas.loader import Persona
from server.turn import prompt


@dataclass(frozen=True, slots=True)
class Beginning:
    """Begins evaluations.

    Attributes:
        base_model: tells the engine's name of its base model.
    """

    store: Evaluations
    registry: Registry
    datasets: Datasets
    personas: PersonaLibrary
    base_model: Callable[[], str]

    def begin(
        self, spec: EvalSpec, version: int | None, principal: Principal, *, moves: bool = True
    ) -> Evaluation:
        """Begin an evaluation, or go on with the same one.

        Args:
            spec: its file, with the cases of other files inside.
            version: the candidate; None: the prompt and the current version alone.
            principal: who asks.
            moves: whether the verdict moves the version.

        Raises:
            ModelNotFound: there is no such persona, or not for `principal`.
            NotFound: there is no such version or data set.
            InvalidRequest: the persona has no adapter, or a case lacks something.
        """
        persona = self.personas.get(spec.persona, principal)
        base = self.personas.get(spec.base.persona, principal) if spec.base.persona else persona
        adapter = persona.spec.model.adapter
        if version is not None and adapter is None:
            raise InvalidRequest(
                f"{persona.id!r} has no adapter, so no version can be evaluated. Set model.adapter in its file.",
                code="no_adapter",
                param="version",
            )
        candidate = self.registry.get(adapter, version) if adapter and version is not None else None
        current = self.registry.production(adapter) if adapter else None
        tasks = checked_tasks(spec, self._part)
        new = NewEvaluation(
            definition=Definition(spec=spec, tasks=tuple(tasks)),
            persona=persona.id,
            adapter=adapter,
            candidate=version,
            current=None if current is None else current.version,
            revision=persona.revision,
            instructions=instructions_hash(persona),
            world=self._world(base, candidate, current),
            moves=moves,
            by=str(principal.id),
            principal=kept_principal(principal),
        )
        return self.store.create(new)

    def stale(self, evaluation: Evaluation) -> bool:
        """Tell whether the persona is told something else now than when it was evaluated."""
        persona = next((one for one in self.personas.personas if one.id == evaluation.persona), None)
        return persona is not None and instructions_hash(persona) != evaluation.instructions

    def staleness(self, version: AdapterVersion) -> str | None:
        """Return why the verdict on a version no longer counts, in words; None where it does, or there is none."""
        judged = [one for one in self.store.list(20, version.name, version.version) if one.outcome is not None]
        if not judged or not self.stale(judged[0]):
            return None
        return (
            f"stale: the instructions of {judged[0].persona!r} have changed since {judged[0].id}; evaluate again"
        )

    def _world(self, base: Persona, *versions: AdapterVersion | None) -> str:
        known = [f"{one.digest} {one.base_fingerprint} {one.template_hash}" for one in versions if one is not None]
        return "\n".join([self.base_model(), base.id, base.revision, *known])

    def _part(self, name: str) -> tuple[Path, str]:
        reference = Reference.parse(name)
        return self.datasets.file(reference), self.datasets.get(reference).label_key


def instructions_hash(persona: Persona) -> str:
    """Return the hash of what the model is told before a conversation begins."""
    told = prompt.system_text(persona.spec.instructions, persona.actions.operations, ())
    return hashlib.sha256(told.encode()).hexdigest()
