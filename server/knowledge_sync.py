"""Keeps the index in step with the folders that personas name. Knows folders; never searches."""

import logging
from pathlib import Path

import anyio

from core.errors import RepertoryError
from retrieval import Knowledge
from server.personas.library import PersonaLibrary

_LOG = logging.getLogger(__name__)


class KnowledgeSync:
    """Syncs each persona's folders; a store is named as its folder is in the persona file."""

    def __init__(self, knowledge: Knowledge, personas: PersonaLibrary, root: Path) -> None:
        self._knowledge = knowledge
        self._personas = personas
        self._root = root
        self._done: set[str] = set()
        self._failed: dict[str, str] = {}
        self._lock = anyio.Lock()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Stores that personas name and that have not been read yet."""
        return tuple(sorted(self._named() - self._done - set(self._failed)))

    @property
    def failed(self) -> dict[str, str]:
        """Stores that could not be read, and why."""
        return dict(self._failed)

    async def run(self) -> None:
        """Read what changed in every named folder, one after the other."""
        async with self._lock:
            for store in sorted(self._named()):
                await anyio.to_thread.run_sync(self._sync, store)

    def _sync(self, store: str) -> None:
        folder = self._root / store
        try:
            if not folder.is_dir():
                self._failed[store] = (
                    f"The folder {store!r} does not exist. Create it, or take it out of the persona."
                )
                _LOG.error("knowledge: %s", self._failed[store])
                return
            self._knowledge.sync(store, folder)
        except (RepertoryError, OSError) as error:
            self._failed[store] = str(error)
            _LOG.error("knowledge of %r: %s", store, error)
        else:
            self._failed.pop(store, None)
            self._done.add(store)

    def _named(self) -> set[str]:
        return {store for persona in self._personas.personas for store in persona.spec.knowledge.paths}
