"""What `make run` adds: the demo's adapters in a fresh data directory, and its ticket tracker."""

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core import logfile
from core.errors import RepertoryError
from core.guardian import command
from server.settings import ROOT, Settings

ADAPTERS = ROOT / "examples" / "adapters"

logger = logging.getLogger(__name__)


def import_adapters(registry: Registry, base: BaseModel, limits: ImportLimits, folder: Path = ADAPTERS) -> None:
    """Import every committed demo adapter whose name is not registered yet, and let it answer."""
    known = {version.name for version in registry.list()}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name in known or not (path / "adapter_config.json").is_file():
            continue
        try:
            version = registry.import_folder(path, path.name, base=base, limits=limits, by="repertory")
            registry.promote(
                version.name,
                version.version,
                by="repertory",
                reason="comes with the demo; its evaluation is in the README",
                override=True,
            )
        except RepertoryError as error:
            # Another base model than the default: the demo's adapters do not fit, its personas say so.
            logger.warning("The demo adapter %r is left out: %s", path.name, error.message)


class Tracker:
    """The demo's ticket tracker as a child process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """`host:port` of the tracker."""
        return f"127.0.0.1:{self._settings.tracker_port}"

    async def start(self) -> None:
        """Start it; should it end by itself, the log says so."""
        settings = self._settings
        argv = [sys.executable, "-m", "examples.tickets", "--port", str(settings.tracker_port)]
        argv += ["--database", str(settings.data_dir / "tickets.db")]
        with logfile.opened(settings.logs_dir / "tracker.log") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command(os.getpid(), argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
            )
        self._watch = asyncio.create_task(self._report_end(self._process), name="tracker")

    async def stop(self) -> None:
        """End it."""
        if self._watch is not None:
            self._watch.cancel()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()

    async def _report_end(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        logger.error(
            "The demo's ticket tracker has ended, so personas cannot reach it; another program may use port %d. "
            "Its log is %r.",
            self._settings.tracker_port,
            str(self._settings.logs_dir / "tracker.log"),
        )
