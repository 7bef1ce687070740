"""One road to the embedding process: a pair of pipes, and the callers that take turns on them.

Short texts take a small model hardly longer together than alone, so who comes to the turn takes along what others
wait for. Knows frames and texts; nothing of processes, and no vector's length.
"""

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.errors import Unavailable
from retrieval.frames import Kind, PipeBrokenError, read_frame, write_frame

BATCH = 16
"""Texts that are sent together, at most; a longer list of one caller goes by itself."""

_ANSWER_TIMEOUT = 120.0


@dataclass(slots=True)
class _Request:
    """Texts that wait for their vectors.

    Attributes:
        answer: the vectors as raw float32.
        refused: why there are none.
        alone: they are asked for by themselves, as a batch with them was refused.
    """

    texts: Sequence[str]
    answer: bytes | None = None
    refused: str = ""
    alone: bool = False

    @property
    def done(self) -> bool:
        return self.answer is not None or bool(self.refused)


@dataclass(slots=True)
class Lane:
    """A pair of pipes. One caller at a time uses them, and takes along what others wait for meanwhile.

    Attributes:
        sink: where texts go.
        source: where vectors come from.
        turn: held by the caller that uses them.
        waiting: what has been asked for and not been sent, the oldest first.
        closed: nobody may use them any more.
    """

    sink: int
    source: int
    turn: threading.Lock = field(default_factory=threading.Lock)
    waiting: deque[_Request] = field(default_factory=deque)
    closed: bool = False

    def ask(self, texts: Sequence[str]) -> bytes:
        """Return the vectors of `texts` as raw float32, in their order.

        Raises:
            PipeBrokenError: the process is gone.
            Unavailable: it could not embed these texts.
        """
        request = _Request(texts)
        self.waiting.append(request)
        with self.turn:
            while not request.done:
                self._send(self._batch())
        if request.answer is None:
            raise Unavailable(
                f"The embedding process could not embed the text ({request.refused}). See its log.",
                code="embedder_unavailable",
            )
        return request.answer

    def _batch(self) -> list[_Request]:
        """Return the requests that have waited longest, as many as fit into one batch."""
        batch = [self.waiting.popleft()]
        count = len(batch[0].texts)
        while self.waiting and not (batch[0].alone or self.waiting[0].alone):
            count += len(self.waiting[0].texts)
            if count > BATCH:
                break
            batch.append(self.waiting.popleft())
        return batch

    def _send(self, batch: Sequence[_Request]) -> None:
        try:
            kind, payload = self._exchange([text for request in batch for text in request.texts])
        except PipeBrokenError:
            self.waiting.extend(batch)  # each of them finds the pipe broken by itself
            raise
        if kind is not Kind.ERROR:
            width = len(payload) // sum(len(request.texts) for request in batch)
            for request in batch:
                size = width * len(request.texts)
                request.answer, payload = payload[:size], payload[size:]
        elif len(batch) == 1:
            batch[0].refused = payload.decode() or "without a reason"
        else:  # one of them is to blame, and the others must not suffer for it
            for request in batch:
                request.alone = True
            self.waiting.extendleft(reversed(batch))

    def _exchange(self, texts: Sequence[str]) -> tuple[Kind, bytes]:
        if self.closed:  # the numbers may already belong to another file
            raise PipeBrokenError("The pipe is closed.")
        write_frame(self.sink, Kind.TEXTS, json.dumps(texts).encode())
        return read_frame(self.source, timeout=_ANSWER_TIMEOUT)
