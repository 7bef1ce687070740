"""Keeps the index in step with the folders that personas name. Knows folders; never searches."""

import logging
from pathlib import Path

import anyio

from core.errors import NotFound, RepertoryError
from retrieval import Knowledge
from server.personas.library import PersonaLibrary

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 300.0


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

    async def keep_up(self) -> None:
        """Read every named folder, then try those that failed again and again, for as long as the server runs."""
        await self.run()
        pause = _FIRST_PAUSE
        while True:
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE) if self._failed else _FIRST_PAUSE
            async with self._lock:
                for store in sorted(self._named() & set(self._failed)):
                    await anyio.to_thread.run_sync(self._sync, store)

    def _sync(self, store: str) -> None:
        folder = self._root / store
        try:
            if not folder.is_dir():
                raise NotFound(f"The folder {store!r} does not exist. Create it, or take it out of the persona.")
            self._knowledge.sync(store, folder)
        except RepertoryError as error:
            self._fail(store, error.message)
        except OSError as error:  # its text would put the name of a document into the log
            self._fail(store, f"The folder or a file in it cannot be read ({error.strerror}).")
        except Exception as error:  # the worker edge: the other stores are read all the same
            _LOG.exception("knowledge of %r", store)
            self._fail(store, f"{type(error).__name__}; the server's log says more")
        else:
            self._failed.pop(store, None)
            self._done.add(store)

    def _fail(self, store: str, reason: str) -> None:
        if self._failed.get(store) != reason:  # said once, however often it is tried again
            _LOG.error("knowledge of %r: %s", store, reason)
        self._failed[store] = reason

    def _named(self) -> set[str]:
        return {store for persona in self._personas.personas for store in persona.spec.knowledge.paths}
