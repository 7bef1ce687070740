"""Uploaded files and the stores that hold them, and the worker that takes them in beside the requests."""

import logging
import time
from dataclasses import dataclass, field

import anyio

from core.errors import RepertoryError
from retrieval import Knowledge
from retrieval.ingest import Ingest
from retrieval.store_files import StoreFiles
from retrieval.vector_stores import VectorStores
from server.files.store import Files
from server.files.training import TrainingFiles

_LOG = logging.getLogger(__name__)
_SWEEP_SECONDS = 300.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Uploads:
    """What is uploaded, and where it goes.

    Attributes:
        files: the files themselves.
        stores: vector stores.
        entries: files in vector stores.
        ingest: takes those that wait in, one step at a time.
        knowledge: searches them.
        training: looks through what is to be trained on.
    """

    files: Files
    stores: VectorStores
    entries: StoreFiles
    ingest: Ingest
    knowledge: Knowledge
    training: TrainingFiles = field(default_factory=TrainingFiles)
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _closing: bool = False
    _next_sweep: float = 0.0

    def wake(self) -> None:
        """Tell the worker that files wait."""
        self._wake.set()

    def close(self) -> None:
        """Let the worker end soon; what it has not finished waits for the next start."""
        self._closing = True
        self.ingest.close()
        self._wake.set()

    async def run(self) -> None:
        """Take in what waits, for as long as the server runs; now and then drop what has expired."""
        pause = _FIRST_PAUSE
        while not self._closing:
            self._wake = anyio.Event()
            try:
                await anyio.to_thread.run_sync(self._work)
            except RepertoryError as error:
                _LOG.warning("Uploads wait %.0f s: %s", pause, error.message)
                with anyio.move_on_after(pause):
                    await self._wake.wait()
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            with anyio.move_on_after(_SWEEP_SECONDS):
                await self._wake.wait()

    def delete_file(self, file_id: str) -> None:
        """Delete a file; it leaves every store in the same step. Blocking."""
        self.files.delete(file_id, within=lambda connection: self.entries.remove_everywhere(connection, file_id))

    def sweep(self) -> None:
        """Drop what has expired and what nothing names any more. Blocking."""
        for file_id in self.files.expired():
            self.delete_file(file_id)
        self.stores.sweep()
        self.ingest.tidy()
        self.files.drop_orphans(lambda: self._closing)
        self.knowledge.drop_gone()

    def _work(self) -> None:
        self.ingest.embed_anew()
        while self.ingest.step() is not None:
            pass
        if not self._closing and time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_SECONDS
            self.sweep()
