"""Lets a version that its gate has let pass answer at once, where its personas say `promotion: automatic`."""

import logging
from collections.abc import Callable
from functools import partial

import anyio

from adapters.registry import Registry
from adapters.version import AdapterVersion
from core.errors import RepertoryError
from server.releases import AdapterReleases

BY_THE_GATE = "gate"
"""Who the record names where a version is promoted by itself."""

_SECONDS = 2.0
_AGAIN_SECONDS = 60.0
_REASON = "passed, and its persona says promotion: automatic"

logger = logging.getLogger(__name__)


class Promoter:
    """Looks for what has passed.

    Args:
        registry: the versions.
        releases: lets them answer.
        promotes: tells whether versions of an adapter that pass their gate answer at once.
    """

    def __init__(self, registry: Registry, releases: AdapterReleases, promotes: Callable[[str], bool]) -> None:
        self._registry = registry
        self._releases = releases
        self._promotes = promotes

    async def promote(self) -> bool:
        """Approve in the gate's name, and release, the newest version of each adapter that may be.

        Killed in between, the next look goes on: what the gate has approved is the gate's to release. Returns
        whether all of them could be released.
        """
        all_well = True
        for version in await anyio.to_thread.run_sync(self._registry.passed, BY_THE_GATE):
            if not self._promotes(version.name) or self._releases.live(version.name) is not None:
                continue
            try:
                await self._released(version)
            except RepertoryError as error:
                logger.error("%s has passed its gate and is not released: %s", version.engine_name, error.message)
                all_well = False
        return all_well

    async def run(self) -> None:
        """Look every other second, until cancelled."""
        while True:
            await anyio.sleep(_SECONDS if await self.promote() else _AGAIN_SECONDS)

    async def _released(self, version: AdapterVersion) -> None:
        name, number = version.name, version.version
        approve = partial(self._registry.approve, name, number, by=BY_THE_GATE, reason=_REASON)
        await anyio.to_thread.run_sync(approve)
        await self._releases.use(name, number, by=BY_THE_GATE, reason=_REASON, override=False)
