"""The proof that a version may answer: made for this base, with an effect, and the same one as ever.

Knows probes and what they must differ by; never which version answers.
"""

import asyncio
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from adapters.base import BaseModel as ServedBase
from adapters.registry import Registry
from adapters.version import AdapterVersion
from core.errors import InvalidRequest
from server.engine.admin import EngineAdmin, Probe

_PROBES: tuple[tuple[dict[str, str], ...], ...] = (
    ({"role": "user", "content": "Introduce yourself in one sentence."},),
    ({"role": "user", "content": "My order has not arrived. What should I do?"},),
    (
        {"role": "system", "content": "You help a team."},
        {"role": "user", "content": "Note: the build is red and Ada is on it."},
    ),
)
_NO_EFFECT = 0.01
_SAME_ANSWER = 0.3
_TIMES_NOISE = 2.0
"""A difference counts once it is this many times what the base differs from itself while users are served."""


class StoredProbes(BaseModel):
    """What a version answered when it was first loaded: for each probe, token → log-probability."""

    model_config = ConfigDict(extra="forbid")

    answers: list[dict[str, float]]


def check_base(version: AdapterVersion, base: ServedBase) -> None:
    """Refuse a version of another base or template: vLLM would load it and answer with nonsense.

    Raises:
        InvalidRequest: it was registered for another base model, or another chat template.
    """
    if version.base_fingerprint != base.fingerprint:
        raise InvalidRequest(
            f"{version.engine_name!r} was made for another base model than {base.name!r}, which is served now. "
            "Set REPERTORY_BASE_MODEL to its base, or train it again on this one.",
            code="base_differs",
        )
    if version.template_hash != base.template_hash:
        raise InvalidRequest(
            f"{version.engine_name!r} was made for another chat template than the one that is served now. "
            "Train it again.",
            code="template_differs",
        )


async def prove(admin: EngineAdmin, version: AdapterVersion, registry: Registry) -> None:
    """Compare a loaded version's first tokens with the base's, and with its own of the first time.

    The base is asked before and after: in bfloat16 the company in a batch alone moves its answer by more
    than a version without effect may (docs/adr/0003-float32-on-cpu.md).

    Raises:
        InvalidRequest: it has no effect, or another one than when it was first loaded.
    """
    base = (await admin.model_names())[0]
    before, own, after = [
        [await admin.probe(model, messages) for messages in _PROBES] for model in (base, version.engine_name, base)
    ]
    noise = _TIMES_NOISE * _furthest(before, after)
    if _furthest(own, before) < max(_NO_EFFECT, noise):
        raise InvalidRequest(
            f"{version.engine_name!r} answers exactly as the base model: its weights have no effect. "
            "Check that it was trained on this base and that its modules carry this model's names.",
            code="adapter_without_effect",
        )
    kept = await asyncio.to_thread(registry.probe, version.name, version.version)
    if kept is None:
        seen = StoredProbes(answers=[probe.logprobs for probe in own])
        content = seen.model_dump()
        await asyncio.to_thread(registry.store_probe, version.name, version.version, content)
        return
    stored = [Probe(answer) for answer in StoredProbes.model_validate(kept).answers]
    if _furthest(own, stored) > max(_SAME_ANSWER, noise):
        raise InvalidRequest(
            f"{version.engine_name!r} no longer answers as it did when it was first loaded: the engine, "
            "its template or its number format has changed. Undo that change, or train the adapter again.",
            code="adapter_changed",
        )


def _furthest(some: Sequence[Probe], others: Sequence[Probe]) -> float:
    return max(distance(one, other) for one, other in zip(some, others, strict=True))


def distance(one: Probe, other: Probe) -> float:
    """Return the largest difference of log-probability over the likely tokens that both know, in nats.

    A token that is likely in one (over 1 %) and not even a candidate in the other counts as 10.
    """
    worst = 0.0
    for token in one.logprobs.keys() | other.logprobs.keys():
        a, b = one.logprobs.get(token), other.logprobs.get(token)
        if a is not None and b is not None:
            if max(a, b) > -4.6:  # ln(0.01)
                worst = max(worst, abs(a - b))
        elif max(x for x in (a, b) if x is not None) > -4.6:
            worst = max(worst, 10.0)
    return worst
