"""`repertory serve`: starts every part of the gateway, and leaves nothing behind at the end."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Iterator

import uvicorn
import uvloop
from rich.console import Console

from adapters.base import BaseModel
from adapters.registry import Registry
from adapters.template import template_of
from core.clock import system_clock
from core.database import Database
from core.errors import Conflict
from retrieval import Embedder, Reranking
from server.announcement import announce
from server.app import create_app
from server.assembly import assemble
from server.connections import connections
from server.data_directory import locked
from server.demo import Tracker, import_adapters
from server.engine.driver import EngineDriver
from server.keys.gate import check_bind
from server.keys.store import Keys
from server.migrations import migrate
from server.observe import logs
from server.releases import AdapterReleases
from server.rollouts.conduct import conduct_of
from server.served_base import base_of, limits_of
from server.services import Services
from server.settings import EngineMode, Settings
from server.slack import SlackChild, key_of

_GRACEFUL_SECONDS = 2
_BACKLOG = 2048
_MOST_FILES = 65_536

logger = logging.getLogger(__name__)


def run(settings: Settings, *, demo: bool = False) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        RepertoryError: something that the operator can mend keeps the server from starting.
    """
    logs.set_up(settings.log_level, settings.log_format)
    if demo:
        granted = (*settings.private_hosts, f"127.0.0.1:{settings.tracker_port}")
        settings = settings.model_copy(update={"private_hosts": granted})
    _allow_connections()
    os.umask(0o077)  # the database, logs and keys are the operator's alone
    with locked(settings.data_dir), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signal(settings, demo=demo))


async def _until_signal(settings: Settings, *, demo: bool) -> None:
    """Serve; the first signal ends it in order, however far the start has come."""
    gateway = _Gateway(settings, demo=demo)
    serving = asyncio.create_task(gateway.serve())

    def stop() -> None:
        if gateway.server is not None:
            gateway.server.should_exit = True
        elif not serving.cancelling():  # a second Ctrl-C must not break off the stopping
            serving.cancel()

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.on_loop_error)
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


class _Gateway:
    """Every part of the gateway, in the order of its start."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self.server: uvicorn.Server | None = None
        self._settings = settings
        self._demo = demo
        self._console = Console()
        self._listener = _listen(settings)
        self._database = Database(settings.database_path)
        migrate(self._database)
        self._registry = Registry(self._database, settings.adapters_dir, system_clock)
        self._registry.reconcile()
        self._releases = AdapterReleases(self._registry, self._base)
        self._conduct = conduct_of(self._database, self._registry, self._releases)
        self._conduct.load()
        self._driver = EngineDriver(settings, template_of(settings.base_model_dir).path, self._releases.restore)
        self._releases.attach(self._driver)
        self._tracker = Tracker(settings)
        self._slack: SlackChild | None = None
        reranker = settings.reranker_model_dir
        self._reranking = Reranking(reranker, settings.reranker_seconds) if reranker else None
        self._embedder = Embedder(
            settings.embedding_model_dir,
            log_path=settings.logs_dir / "embedder.log",
            threads=settings.embedding_threads,
            dtype=settings.embedding_dtype,
            kept_in=settings.embedding_dir,
            reranking=self._reranking,
        )

    async def serve(self) -> None:
        """Start everything, serve, and stop everything."""
        settings = self._settings
        keys = Keys(self._database, system_clock)
        keys.bootstrap(settings.admin_key_path)
        check_bind(settings, keys)
        try:
            if self._demo:
                await asyncio.to_thread(self._import_demo)
                await self._tracker.start()
            await self._driver.start()
            self._console.print(
                f"Starting the engine (log: {settings.logs_dir / 'engine.log'}) and the embedder …"
            )
            await asyncio.to_thread(self._embedder.start)
            services = await asyncio.to_thread(self._assemble)
            services.metrics.attach(self._driver)
            services.tuning.attach(self._driver if settings.engine_mode is EngineMode.MANAGED else None)
            app = create_app(services, self._registry)
            self.server = _Server(_uvicorn(app, settings))
            gc.collect()
            gc.freeze()  # what is there now stays; a collection in mid-stream need not look at it
            port = self._listener.getsockname()[1]
            if settings.serves_slack:
                self._serve_slack(keys, port)
            announcing = asyncio.create_task(announce(self._console, services, self._driver, port))
            await self.server.serve(sockets=[self._listener])
            announcing.cancel()
        finally:
            self._console.print("Stopping …")
            await asyncio.shield(self._stop())

    def _serve_slack(self, keys: Keys, port: int) -> None:
        """Start the program for Slack; the server does without it where it has no key."""
        try:
            key = key_of(self._settings, keys)
        except Conflict as error:
            logger.error("Slack is not served: %s", error.message)
            return
        self._slack = SlackChild(self._settings, _address(self._settings, port), key)
        self._slack.start()

    def _import_demo(self) -> None:
        import_adapters(self._registry, self._base(), limits_of(self._settings))

    def _base(self) -> BaseModel:
        return base_of(self._settings)

    def _assemble(self) -> Services:
        return assemble(
            self._settings,
            database=self._database,
            embedder=self._embedder,
            engine=self._driver,
            releases=self._releases,
            clock=system_clock,
            rerank=self._embedder.rerank if self._reranking else None,
            rollouts=self._conduct,
            likelihood=self._driver.likelihood,
        )

    async def _stop_engine(self) -> None:
        await self._releases.aclose()
        await self._driver.stop()

    async def _stop_slack(self) -> None:
        if self._slack is not None:
            await self._slack.stop()

    async def _stop(self) -> None:
        ended = await asyncio.gather(
            self._stop_slack(),
            self._stop_engine(),
            self._tracker.stop(),
            asyncio.to_thread(self._embedder.close),
            return_exceptions=True,
        )
        for outcome in ended:
            if isinstance(outcome, Exception):
                logger.error("While stopping: %s", outcome)
        self._listener.close()
        self._database.close()


def _address(settings: Settings, port: int) -> str:
    """Return where a child of ours reaches this server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - read, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_connections() -> None:
    """Let this process open as many files as it may: each connection is one, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)  # at once: two that have only bound a port do not notice each other
    except OSError as error:
        listener.close()
        raise Conflict(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set REPERTORY_PORT to a free "
            "port (0 picks one), or end the program that uses it.",
            code="port_in_use",
        ) from error
    return listener


def _uvicorn(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        timeout_keep_alive=75,
        backlog=_BACKLOG,
        http=connections(settings.client_seconds),
        ws="none",
        log_config=None,
    )


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: ours end the engine, too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
