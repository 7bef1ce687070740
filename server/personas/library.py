"""The set of personas that serves now, swapped whole when the files change.

Any problem in the folder keeps the last good set serving. Only the first load takes what is whole, since
there is nothing better to keep.
"""

import logging
import weakref
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio

from actions import ActionSet
from core.clock import Clock
from core.errors import ModelNotFound
from core.ids import PersonaId
from core.principal import Principal, Scope
from server.personas.bare import bare_persona
from server.personas.loader import LoadActions, LoadedSet, Persona, Problem, load_folder
from server.personas.schema import HookPart

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
HOOK = "hook:"
"""How the principal of a hook is named: whoever names a hook in the persona's file lets it ask."""


Stamp = tuple[tuple[str, int, int, int] | int, ...]


class PersonaLibrary:
    """Personas by id. Readers see one whole set or the next, never a mixture.

    Args:
        folder: where the persona files are.
        load_actions: reads the OpenAPI documents that a persona names.
        pins: folder of what was accepted of documents from URLs; a change there is a change, too.
        edition: a number that rises when `load_actions` would give something else although no file has changed.
    """

    def __init__(
        self,
        folder: Path,
        load_actions: LoadActions,
        clock: Clock,
        *,
        pins: Path | None = None,
        edition: Callable[[], int] = lambda: 0,
    ) -> None:
        self._folder = folder
        self._pins = pins
        self._edition = edition
        self._load_actions = load_actions
        self._clock = clock
        self._stamp = self._read_stamp()
        self._loaded_at = int(clock())
        self._serving = load_folder(folder, load_actions)
        self._problems = self._serving.problems
        self._bare: dict[str, Persona] = {}
        self._replaced: list[tuple[weakref.ref[Persona], ActionSet]] = []
        self._report()

    @property
    def personas(self) -> tuple[Persona, ...]:
        """The personas that serve now, by id."""
        return tuple(self._serving.personas[key] for key in sorted(self._serving.personas))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the files on disk now."""
        return self._problems

    @property
    def loaded_at(self) -> int:
        """When this set came into service, in seconds since the epoch."""
        return self._loaded_at

    def get(self, persona: str, principal: Principal) -> Persona:
        """Return a persona that `principal` may use.

        Raises:
            ModelNotFound: there is none of that id, or not for this principal; the two look alike.
        """
        found = self._serving.personas.get(persona)
        if found is None or not may_use(principal, found):
            raise ModelNotFound(persona)
        return found

    def hooks_of(self, persona: PersonaId) -> Sequence[HookPart]:
        """Return the hooks of a persona that serves now; none where there is no such persona."""
        found = self._serving.personas.get(persona)
        return found.spec.integrations.hooks if found is not None else ()

    def serving(self, persona: str) -> Persona | None:
        """Return a persona that serves now, whoever asks; None where there is none of that id."""
        return self._serving.personas.get(persona)

    def of_adapter(self, adapter: str, principal: Principal) -> Persona | None:
        """Return the first persona of the caller's that answers with `adapter`."""
        return next((one for one in self.usable_by(principal) if one.spec.model.adapter == adapter), None)

    def bare(self, adapter: str) -> Persona:
        """Return who answers with an adapter that no persona has; whoever asks knows that there is one."""
        if adapter not in self._bare:
            self._bare[adapter] = bare_persona(adapter, self._load_actions)
        return self._bare[adapter]

    def reaches(self, persona: PersonaId, principal: Principal) -> bool:
        """Tell whether `principal` has to do with `persona`; of one that serves no longer its key decides."""
        served = self._serving.personas.get(persona)
        return principal.may_use(persona) if served is None else may_use(principal, served)

    def usable_by(self, principal: Principal) -> tuple[Persona, ...]:
        """Return the personas that `principal` may use."""
        return tuple(persona for persona in self.personas if may_use(principal, persona))

    def promotes(self, adapter: str) -> bool:
        """Tell whether what passes its gate answers at once: all personas of an adapter must say so."""
        said = {one.spec.model.promotion for one in self.personas if one.spec.model.adapter == adapter}
        return said == {"automatic"}

    def reload(self) -> bool:
        """Read the folder again if its files changed; tell whether a new set serves. Blocking."""
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return False
        loaded = load_folder(self._folder, self._load_actions)
        if self._read_stamp() != stamp:
            self._replace(loaded)
            return False  # still being written; the next look takes it
        self._stamp = stamp
        return self._swap(loaded)

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Look for changes for ever; call `changed` after each swap."""
        while True:
            await anyio.sleep(_POLL_SECONDS)
            if await anyio.to_thread.run_sync(self.reload):
                await changed()
            await self._close_unused()

    async def aclose(self) -> None:
        """Close the clients of all personas, those of earlier sets included."""
        for persona in (*self.personas, *self._bare.values()):
            await persona.actions.aclose()
        for _, actions in self._replaced:
            await actions.aclose()
        self._replaced.clear()

    async def _close_unused(self) -> None:
        """Close the clients of replaced personas that no turn holds any more."""
        for held in tuple(self._replaced):
            persona, actions = held
            if persona() is None:
                self._replaced.remove(held)
                await actions.aclose()

    def _swap(self, loaded: LoadedSet) -> bool:
        self._problems = loaded.problems
        if loaded.problems:
            self._report()
            self._replace(loaded)
            return False
        self._replace(self._serving)
        self._serving = loaded
        self._report()
        self._loaded_at = int(self._clock())
        _LOG.info("serving personas: %s", ", ".join(sorted(loaded.personas)) or "none")
        return True

    def _replace(self, unused: LoadedSet) -> None:
        self._replaced += [(weakref.ref(persona), persona.actions) for persona in unused.personas.values()]

    def _report(self) -> None:
        for problem in self._problems:
            _LOG.error("persona problem: %s", problem)
        for persona in self.personas:
            for notice in persona.actions.notices:
                _LOG.warning("persona %r: %s", persona.id, notice)

    def _read_stamp(self) -> Stamp:
        paths = sorted((*self._folder.glob("*.yaml"), *self._folder.glob("*.yml")))
        paths += sorted(self._pins.glob("*.json")) if self._pins is not None else []
        stamps = []
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            stamps.append((path.name, status.st_mtime_ns, status.st_size, status.st_ino))
        return (*stamps, self._edition())


def may_use(principal: Principal, persona: Persona) -> bool:
    """Tell whether `principal` may chat as `persona`: the key's limits and the persona's list agree."""
    if not principal.may_use(PersonaId(persona.id)):
        return False
    if principal.id.startswith(HOOK):
        return any(f"{HOOK}{hook.name}" == principal.id for hook in persona.spec.integrations.hooks)
    names = persona.spec.access.keys
    if names is None or principal.may(Scope.ADMIN):
        return True
    return principal.id.removeprefix("key:") in names and principal.id.startswith("key:")
