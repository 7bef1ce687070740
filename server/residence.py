"""Which adapter versions are in the engines' memory, and that each was proved before anybody is answered by it.

Knows versions and engines; never which version answers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence

from adapters.base import BaseModel
from adapters.registry import Registry
from adapters.version import AdapterVersion
from core.errors import InvalidRequest, RepertoryError
from server.engine.admin import EngineAdmin
from server.proof import check_base, prove

logger = logging.getLogger(__name__)


class Residence:
    """Loads, proves, pins and lets go.

    Args:
        registry: the versions that there are.
        base: reads what identifies the base model that is served; blocking.
    """

    def __init__(self, registry: Registry, base: Callable[[], BaseModel]) -> None:
        self._registry = registry
        self._base = base
        self._proven: set[tuple[EngineAdmin, str]] = set()

    def begin(self) -> None:
        """Forget what was proved: an engine's life has begun anew."""
        self._proven.clear()

    async def prepare(
        self, engines: Sequence[EngineAdmin], version: AdapterVersion, *, needed: Collection[str]
    ) -> None:
        """Check its files and its base, load, prove by probe, and pin a version on every engine.

        A probe is needed once in an engine's life: neither the engine nor the version changes after it.

        Args:
            engines: that are to have it.
            version: what they are to have.
            needed: what stays in memory even if it fails, since users or a rollback need it.

        Raises:
            InvalidRequest: its files are damaged, it is for another base, or it has no effect.
            Unavailable: an engine is away.
        """
        try:
            await asyncio.to_thread(self._registry.verify, version.name, version.version)
            check_base(version, await asyncio.to_thread(self._base))
            for admin in engines:
                if (admin, version.engine_name) not in self._proven:
                    await admin.load(version.engine_name)
                    await prove(admin, version, self._registry)
                    self._proven.add((admin, version.engine_name))
        except InvalidRequest:
            if version.engine_name not in needed:
                await self._remove(engines, version)
            raise
        await self._pin(engines, version)

    async def keep_warm(self, engines: Sequence[EngineAdmin], version: AdapterVersion) -> None:
        """Have the way back ready; without it a rollback still works, it only has to load first."""
        try:
            await self._pin(engines, version)
        except RepertoryError as error:
            logger.warning("Adapter %s is not kept in memory: %s", version.engine_name, error.message)

    async def let_go(self, engines: Sequence[EngineAdmin], version: AdapterVersion) -> None:
        """Let a version be evicted. Another one answers already, so a failure is only noted."""
        for admin in engines:
            try:
                await admin.set_pinned(version.engine_name, False)
            except RepertoryError as error:
                logger.warning("Adapter %s stays in memory: %s", version.engine_name, error.message)

    async def _pin(self, engines: Sequence[EngineAdmin], version: AdapterVersion) -> None:
        for admin in engines:
            await admin.load(version.engine_name)
            await admin.set_pinned(version.engine_name, True)

    async def _remove(self, engines: Sequence[EngineAdmin], version: AdapterVersion) -> None:
        for admin in engines:
            with contextlib.suppress(RepertoryError):
                await admin.remove(version.engine_name)
