"""The retrieval step: passages for the last question, or an honest word that there are none."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio

from core.errors import RepertoryError, Unavailable
from core.principal import Principal
from retrieval import Knowledge, Passage
from server.knowledge_sync import KnowledgeSync
from server.personas.schema import PersonaSpec
from server.turn.query import Query

_LOG = logging.getLogger(__name__)

UNAVAILABLE_NOTE = "Note: my documents cannot be searched at the moment, so this answer does without them.\n\n"
DECLINED = "I found nothing about this in my documents, so I cannot answer it."


class Retrieval(StrEnum):
    """How the retrieval step ended."""

    NOT_USED = "not_used"
    FOUND = "found"
    NOTHING_FOUND = "nothing_found"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Found:
    """How the search ended.

    Attributes:
        passages: the best first.
        query: what was searched for, where anything was.
    """

    state: Retrieval
    passages: tuple[Passage, ...] = ()
    query: Query | None = None

    def shown(self) -> Mapping[str, object]:
        """Return what the `repertory` block tells of the search."""
        if self.query is None:
            return {"retrieval": self.state.value, "query": None}
        asked = {"rewrite": self.query.rewrite.value, "phrasings": self.query.phrasings}
        return {"retrieval": self.state.value, "query": asked}


async def find_passages(
    knowledge: Knowledge,
    sync: KnowledgeSync,
    spec: PersonaSpec,
    query: Query,
    principal: Principal,
    named: Sequence[str] = (),
) -> Found:
    """Search the persona's folders, and those of its vector stores that the caller may read.

    Args:
        knowledge: what is searched.
        sync: tells what is not read yet.
        spec: the persona.
        query: what is searched for.
        principal: who asks.
        named: further stores that the request names.

    Raises:
        Unavailable: they cannot be searched and the persona would rather refuse.
    """
    if not searches(spec, query.question, named):
        return Found(Retrieval.NOT_USED)
    options, stores = spec.retrieval, list(dict.fromkeys([*spec.knowledge.stores, *named]))
    try:
        if unread := set(spec.knowledge.paths) & {*sync.waiting, *sync.failed}:
            raise Unavailable(f"Not read yet: {', '.join(sorted(unread))}.", code="knowledge_unavailable")
        result = await anyio.to_thread.run_sync(
            lambda: knowledge.search(
                [*spec.knowledge.paths, *knowledge.readable(stores, principal.id)],
                query.question,
                also=query.phrasings[1:],
                reader=principal.id,
                top_k=options.top_k,
                floor=options.floor,
                dense_weight=options.dense_weight,
            )
        )
    except RepertoryError as error:
        _LOG.error("retrieval for persona %r failed: %s", spec.id, error.code)
        if options.when_unavailable == "refuse":
            raise Unavailable(
                f"{spec.name} cannot search its documents at the moment and does not answer without them. "
                "Try again in a moment.",
                code="knowledge_unavailable",
                retry_after=error.retry_after or 5,
            ) from error
        return Found(Retrieval.UNAVAILABLE, query=query)
    passages = tuple(result.passages)
    return Found(Retrieval.FOUND if passages else Retrieval.NOTHING_FOUND, passages, query)


def searches(spec: PersonaSpec, question: str, named: Sequence[str] = ()) -> bool:
    """Tell whether a question is searched for at all, with the stores that the request names."""
    return (spec.knowledge.any or bool(named)) and bool(question.strip())


def cache_salt(spec: PersonaSpec, principal: Principal, named: Sequence[str] = ()) -> str | None:
    """Return the salt that keeps prompts with passages apart from those of other access groups.

    Cached prefixes are shared by those who may read the same folders, and by nobody else. Who may read a vector
    store can change at any moment, so with one of them nothing is shared at all.
    """
    if not spec.knowledge.any and not named:
        return None
    group = sorted(spec.knowledge.paths)
    if stores := {*spec.knowledge.stores, *named}:
        group += [*sorted(stores), principal.id]
    return hashlib.sha256("\n".join(group).encode()).hexdigest()[:32]
