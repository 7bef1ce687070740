"""The gateway's side of the embedding process. Owns the child and its pipes; must never import torch."""

import contextlib
import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from core import logfile
from core.errors import Unavailable
from retrieval.frames import PipeBrokenError, read_frame
from retrieval.lane import BATCH, Lane
from retrieval.records import Vectors
from retrieval.reranker import PairLane, Reranking

_LOG = logging.getLogger(__name__)

_START_TIMEOUT = 180.0
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
_CACHED_QUERIES = 1024
Precision = Literal["auto", "int8", "float32", "bfloat16"]
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    queries: Lane
    bulk: Lane
    model_id: str
    dimensions: int
    pairs: PairLane | None = None

    def end(self) -> None:
        """Kill the child, which has nothing to lose, and close the pipes once nobody waits on them."""
        self.process.kill()
        self.process.wait()
        for lane in (self.queries, self.bulk, self.pairs):
            if lane is None:
                continue
            with lane.turn:
                lane.closed = True
                os.close(lane.sink)
                os.close(lane.source)


class Embedder:
    """Embeds texts in a child process, which is started again when it is found dead.

    The call that finds it dead waits for the new one. If that one does not come up, calls are refused at once
    while it is tried again in the background, after 5 s, then twice as long each time, at most 300 s.

    Safe for many threads. Queries (`priority=True`) have a lane of their own beside the batches of a sync. With
    `reranking` the child holds a cross-encoder, too; without it, or if that cannot be loaded, `rerank` refuses.

    Args:
        model_dir: the folder of the model.
        log_path: where the child writes what goes wrong.
        threads: of the processor, for one batch.
        dtype: numbers of the model; `auto` takes eight bits for a model that can be had so, else float32.
        kept_in: the folder that keeps a model in eight bits from one start to the next.
        reranking: the cross-encoder.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        log_path: Path,
        threads: int = 1,
        dtype: Precision = "auto",
        kept_in: Path | None = None,
        reranking: Reranking | None = None,
    ) -> None:
        self._model_dir = model_dir
        self._reranking = reranking
        self._dtype = dtype
        self._kept_in = kept_in
        self._log_path = log_path
        self._threads = threads
        self._child: _Child | None = None
        self._loading: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._changing = threading.Lock()
        self._cache: OrderedDict[str, Vectors] = OrderedDict()
        self._caching = threading.Lock()
        # The kernel's parent-death signal follows the *thread* that started the child: this one lives long.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="embedder-parent")
        self._pause = _FIRST_PAUSE
        self._next_try = math.inf
        self._trying = threading.Lock()

    @property
    def model_id(self) -> str:
        """Identity of the weights, the precision and the length limit."""
        return self._running().model_id

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._running().dimensions

    @property
    def pid(self) -> int | None:
        """Process id of the child, if one runs."""
        return self._child.process.pid if self._child else None

    def start(self) -> None:
        """Start the child and wait until its model is loaded.

        Raises:
            Unavailable: it did not come up; the log says why.
        """
        with self._changing:
            if self._closing:
                raise self._unavailable("is closed")
            if self._child is None:
                self._next_try = 0.0
                self._child = self._starter.submit(self._launch).result()

    def close(self) -> None:
        """End the child, even one that is still loading its model; nothing of it is left."""
        self._closing = True
        if (loading := self._loading) is not None:
            loading.kill()
        with self._changing:
            self._end_child()
            self._starter.shutdown()
            self._end_child()  # that of a revival that was under way

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        """Return one unit vector a text, shape (n, dimensions), float32.

        Args:
            texts: any strings; each is cut at the model's limit (256 word pieces).
            priority: True for queries, which then do not wait for a sync and are remembered.

        Raises:
            Unavailable: the process is not running, or died twice.
        """
        if priority and len(texts) == 1:
            return self._embed_query(texts[0])
        parts = [
            self._ask(texts[first : first + BATCH], priority=priority) for first in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), np.float32)

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers the query, 0 to 1, in their order.

        Raises:
            Unavailable: there is no reranker, it failed, or it took too long.
        """
        child = self._child
        if self._reranking is None or child is None or child.pairs is None:
            raise Unavailable("No reranker runs.", code="reranker_unavailable")
        return child.pairs.ask(query, texts, self._reranking.seconds)

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _embed_query(self, text: str) -> Vectors:
        with self._caching:
            if (known := self._cache.get(text)) is not None:
                self._cache.move_to_end(text)
                return known.copy()
        vector = self._ask([text], priority=True)
        with self._caching:
            self._cache[text] = vector
            if len(self._cache) > _CACHED_QUERIES:
                self._cache.popitem(last=False)
        return vector.copy()

    def _ask(self, texts: Sequence[str], *, priority: bool) -> Vectors:
        # A lone surrogate, which JSON can carry into a request, is no text to the tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        child = self._running()
        try:
            payload = (child.queries if priority else child.bulk).ask(clean)
        except PipeBrokenError:
            child = self._restarted(child)
            try:
                payload = (child.queries if priority else child.bulk).ask(clean)
            except PipeBrokenError as error:
                raise self._unavailable("died twice") from error
        return np.frombuffer(payload, np.float32).reshape(len(clean), child.dimensions)

    def _running(self) -> _Child:
        child = self._child
        if child is None:
            self._revive_later()
            raise self._unavailable("is not running")
        return child

    def _restarted(self, dead: _Child) -> _Child:
        with self._changing:
            if self._child is dead:  # else another thread has been here before
                self._child = None
                dead.end()
                self._next_try = 0.0
                self._child = self._starter.submit(self._launch).result()
                self._pause = _FIRST_PAUSE
            return self._running()

    def _revive_later(self) -> None:
        """Try again to start what died and did not come up, unless its time has not come or a try is under way."""
        with self._trying:
            if self._closing or time.monotonic() < self._next_try:
                return
            self._next_try = math.inf
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._starter.submit(self._revive)

    def _revive(self) -> None:
        if self._closing or self._child is not None:
            return
        try:
            self._child = self._launch()
        except Unavailable:
            self._next_try = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        else:
            self._next_try = 0.0
            self._pause = _FIRST_PAUSE

    def _launch(self) -> _Child:
        bulk_in, bulk_sink = os.pipe()
        bulk_source, bulk_out = os.pipe()
        query_in, query_sink = os.pipe()
        query_source, query_out = os.pipe()
        command = [sys.executable, "-m", "retrieval.embedder_process", str(self._model_dir.resolve())]
        kept_in = str(self._kept_in.resolve()) if self._kept_in else ""
        command += [str(self._threads), self._dtype, kept_in, str(bulk_in), str(bulk_out)]
        given, kept = [bulk_in, bulk_out], [bulk_sink, bulk_source, query_sink, query_source]
        pairs = None
        if self._reranking is not None:
            pairs_in, pairs_sink = os.pipe()
            pairs_source, pairs_out = os.pipe()
            command += [str(self._reranking.folder.resolve()), str(pairs_in), str(pairs_out)]
            given += [pairs_in, pairs_out]
            kept += [pairs_sink, pairs_source]
            pairs = PairLane(pairs_sink, pairs_source)
        try:
            with logfile.opened(self._log_path) as log:
                process = subprocess.Popen(
                    command,
                    stdin=query_in,
                    stdout=query_out,
                    stderr=log,
                    pass_fds=given,
                    cwd=_REPOSITORY,
                )
        except OSError as error:  # no space for the log, no memory for the process
            for descriptor in kept:
                os.close(descriptor)
            raise self._unavailable(f"could not be started ({error.strerror})") from error
        finally:
            for descriptor in (*given, query_in, query_out):
                os.close(descriptor)
        child = _Child(process, Lane(query_sink, query_source), Lane(bulk_sink, bulk_source), "", 0, pairs)
        self._loading = process
        if self._closing:  # `close` came before there was anything to kill
            process.kill()
        try:
            _, payload = read_frame(query_source, timeout=_START_TIMEOUT)
        except PipeBrokenError as error:
            child.end()
            raise self._unavailable("did not start") from error
        finally:
            self._loading = None
        hello = json.loads(payload)
        child.model_id, child.dimensions = str(hello["model_id"]), int(hello["dimensions"])
        if problem := hello.get("eight_bit_problem"):
            _LOG.info("passages are embedded in float32, since the embedding model %s", problem)
        if problem := hello.get("reranker_problem"):
            _LOG.error("the reranker cannot be loaded, so searches go without it: %s", problem)
        return child

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(
            f"The embedding process {what}. Its log is {str(self._log_path)!r}.",
            code="embedder_unavailable",
            retry_after=5,
        )
