"""The program that serves Slack, as a child: what it is told, and that it runs. Knows nothing of Slack itself."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from pathlib import Path

from core import logfile
from core.guardian import command
from core.principal import Scope
from server.keys.store import Keys
from server.settings import ROOT, Settings

KEY_NAME = "slack"
SCOPES = (Scope.CHAT, Scope.KNOWLEDGE, Scope.APPROVE)
_LONGEST_PAUSE = 60.0
_WELL_SECONDS = 60.0

logger = logging.getLogger(__name__)


def argv(work: str) -> list[str]:
    """Return the command line of the program."""
    return [sys.executable, "-m", "integrations.slack", work]


def setup_of(settings: Settings, server: str, key: str) -> str:
    """Return what the program reads from its standard input: one line of JSON, with its secrets.

    Args:
        settings: of this server.
        server: where it answers.
        key: that the program asks with.
    """
    setup: dict[str, object] = {
        "server": server,
        "api_key": key,
        "database": str(settings.slack_database_path.resolve()),
        "port": settings.slack_port,
        "host": settings.host,
        "slack_api": settings.slack_api,
        "log_level": settings.log_level,
    }
    if settings.slack_file is not None:
        setup["file"] = str(settings.slack_file.resolve())
    if settings.slack_bot_token is not None:
        app: dict[str, object] = {"bot_tokens": [settings.slack_bot_token.get_secret_value()]}
        if settings.slack_app_token is not None:
            app["app_token"] = settings.slack_app_token.get_secret_value()
        if settings.slack_signing_secret is not None:
            app["signing_secret"] = settings.slack_signing_secret.get_secret_value()
        setup["app"] = app
    return json.dumps(setup) + "\n"


def key_of(settings: Settings, keys: Keys) -> str:
    """Return the key that the program asks with: the one that was set, or the server's own.

    Raises:
        Conflict: the server's own was revoked.
    """
    if settings.slack_api_key is not None:
        return settings.slack_api_key.get_secret_value()
    return keys.keep(KEY_NAME, SCOPES, settings.slack_key_path)


class SlackChild:
    """Keeps the program running beside the gateway; starts it again when it ends."""

    def __init__(self, settings: Settings, server: str, key: str) -> None:
        self._setup = setup_of(settings, server, key).encode()
        self._log: Path = settings.logs_dir / "slack.log"
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it, and from then on whenever it has ended."""
        self._keeping = asyncio.create_task(self._keep(), name="slack")

    async def stop(self) -> None:
        """End it."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()

    async def _keep(self) -> None:
        pause, loop = 1.0, asyncio.get_running_loop()
        while True:
            begun = loop.time()
            code = await self._run()
            if loop.time() - begun > _WELL_SECONDS:
                pause = 1.0
            logger.error(
                "The program that serves Slack has ended (%d); it is started again in %.0f s. Its log is %r.",
                code,
                pause,
                str(self._log),
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _run(self) -> int:
        with logfile.opened(self._log) as log:
            self._process = await asyncio.create_subprocess_exec(
                *command(os.getpid(), argv("run")),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
            )
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101  it was asked for
        with contextlib.suppress(ConnectionError):
            pipe.write(self._setup)
            await pipe.drain()
            pipe.close()
        return await self._process.wait()
