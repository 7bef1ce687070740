"""The gateway's side of the reranker: a road to the cross-encoder, and the order that its scores make.

Optional, and never in the way: whoever gets no scores in time keeps the order that he has. Knows pairs of texts,
never the model, which lives in the embedding process.
"""

import json
import logging
import select
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core.errors import RepertoryError, Unavailable
from retrieval.frames import Kind, PipeBrokenError, read_frame, write_frame
from retrieval.records import Passage, title_path

_LOG = logging.getLogger(__name__)
_REST_OF_A_FRAME = 5.0
_LONGEST_TEXT = 4_000
"""Characters of a query or passage that are sent; the model reads some 512 tokens of both."""

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""A query and texts → how well each answers it, 0 to 1. Raises `Unavailable` where it cannot say so in time."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """Which cross-encoder scores, and how long a search waits for it.

    Attributes:
        folder: of the model.
        seconds: after which a search goes on without it.
    """

    folder: Path
    seconds: float = 2.0


@dataclass(slots=True)
class PairLane:
    """A pair of pipes to the reranker.

    Whoever waits too long goes without. The answer that then still comes is thrown away before the next question
    is asked; until it has come, nobody waits at all.

    Attributes:
        sink: where pairs go.
        source: where scores come from.
        turn: held by the caller that uses them.
        late: an answer is still to come that nobody waits for.
        closed: nobody may use the pipes any more.
    """

    sink: int
    source: int
    turn: threading.Lock = field(default_factory=threading.Lock)
    late: bool = False
    closed: bool = False

    def ask(self, query: str, texts: Sequence[str], seconds: float) -> list[float]:
        """Return how well each text answers the query, 0 to 1.

        Raises:
            Unavailable: another caller or the model takes too long, the model failed, or the process is gone.
        """
        if not self.turn.acquire(timeout=seconds):
            raise _unavailable("is busy")
        try:
            kind, payload = self._exchange(json.dumps([_sendable(query), *map(_sendable, texts)]), seconds)
        except PipeBrokenError as error:
            raise _unavailable("is gone") from error
        finally:
            self.turn.release()
        if kind is not Kind.SCORES:
            raise _unavailable(f"failed ({payload.decode(errors='replace')})")
        scores = np.frombuffer(payload, np.float32)
        if len(scores) != len(texts) or not np.isfinite(scores).all():
            raise _unavailable("gave no number for some passages")
        return [float(score) for score in scores]

    def _exchange(self, request: str, seconds: float) -> tuple[Kind, bytes]:
        if self.closed:  # the numbers may already belong to another file
            raise PipeBrokenError("The pipe is closed.")
        if self.late:
            if not self._answers(0.0):
                raise _unavailable("still works on an earlier search")
            read_frame(self.source, timeout=_REST_OF_A_FRAME)
            self.late = False
        write_frame(self.sink, Kind.PAIRS, request.encode())
        if not self._answers(seconds):
            self.late = True
            raise _unavailable(f"took longer than {seconds:g} s")
        return read_frame(self.source, timeout=_REST_OF_A_FRAME)

    def _answers(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


def reranked(rerank: Rerank, query: str, candidates: Sequence[Passage]) -> list[Passage]:
    """Return the candidates by the reranker's scores, which become theirs; as they are where it gives none."""
    if not candidates:
        return []
    try:
        scores = rerank(query, [_read_by_the_model(passage) for passage in candidates])
    except RepertoryError as error:
        _LOG.info("passages keep their order: %s", error.message)
        return list(candidates)
    scored = [replace(passage, score=score) for passage, score in zip(candidates, scores, strict=True)]
    return sorted(scored, key=lambda passage: -passage.score)


def reranker_problem(folder: Path) -> str | None:
    """Return why a folder holds no reranker, in words for its owner; None if it may be one.

    A model without a head for scores would load all the same, with a random one.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "it has no config.json that can be read"
    if not isinstance(config, dict):
        return "its config.json is no object"
    kinds = config.get("architectures")
    if not isinstance(kinds, list) or not any(str(kind).endswith("ForSequenceClassification") for kind in kinds):
        return "its config.json names no …ForSequenceClassification, so it scores no pairs"
    labels = config.get("id2label")
    count = len(labels) if isinstance(labels, dict) else config.get("num_labels", 2)
    if count != 1:
        return f"it gives {count} numbers for a pair; a reranker gives one"
    return None


def _read_by_the_model(passage: Passage) -> str:
    return f"{title_path(passage.title, passage.heading)}\n{passage.text}"


def _sendable(text: str) -> str:
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode()  # a lone surrogate is no text to a tokenizer


def _unavailable(what: str) -> Unavailable:
    return Unavailable(f"The reranker {what}.", code="reranker_unavailable")
