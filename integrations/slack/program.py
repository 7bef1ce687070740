"""The program: every part in the order of its start, and its end in order."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup
from slack_bolt.async_app import AsyncApp

from core.clock import Clock, system_clock
from core.errors import RepertoryError
from core.ids import new_id
from integrations.slack.answering import Answering
from integrations.slack.bolt import bolt_app
from integrations.slack.book import Book
from integrations.slack.buttons import Buttons
from integrations.slack.cast import Cast
from integrations.slack.config import Setup
from integrations.slack.desk import Desk
from integrations.slack.doors import http_door, socket_door
from integrations.slack.entrances import Entrances
from integrations.slack.house import House
from integrations.slack.ledger import Ledger
from integrations.slack.people import People
from integrations.slack.reply import Replying
from integrations.slack.server import Server
from integrations.slack.thread_files import ThreadFiles
from integrations.slack.threads import Threads
from integrations.slack.worker import Worker

logger = logging.getLogger(__name__)
_REFRESH_SECONDS = 5.0
_PRUNE_SECONDS = 3600.0
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Program:
    """The running program.

    Attributes:
        port: of the HTTP door, where there is one.
    """

    desk: Desk
    bolts: Sequence[AsyncApp]
    port: int | None


@asynccontextmanager
async def running(setup: Setup, *, clock: Clock = system_clock) -> AsyncIterator[Program]:
    """Run until the block ends; answers that are under way then are taken up by the next start.

    Raises:
        RepertoryError: no app can be used.
    """
    apps = setup.apps()
    async with AsyncExitStack() as stack:
        book = Book(setup.database)
        stack.callback(book.close)
        server = Server(setup.server)
        stack.push_async_callback(server.aclose)
        house = await House.of(apps, setup.slack_api)
        people = People(house.apps, setup.api_key)
        ledger = Ledger(book, clock, owner=new_id("slack"), lease=setup.lease_seconds)
        threads, cast = Threads(book, clock), Cast(server, setup.api_key)
        files = ThreadFiles(server, threads, most=setup.max_file_bytes)
        replying = Replying(ledger, threads, files, cast, Answering(server, people), house, people)
        worker = Worker(ledger, replying, setup.answers, setup.lease_seconds)
        desk = Desk(ledger, threads, cast, house, worker, replying)
        await _first_look(cast)
        bolts = [bolt_app(app, desk, setup.slack_api) for app in apps]
        for app, bolt in zip(apps, bolts, strict=True):
            Buttons(app.name, desk, server, people).register(bolt)
            Entrances(app.name, desk).register(bolt)
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)  # once the doors are closed
        _start(group, cast, worker, ledger)
        port = None
        if doors := {app.name: bolt for app, bolt in zip(apps, bolts, strict=True) if app.signing_secret}:
            port = await stack.enter_async_context(http_door(doors, setup.host, setup.port))
        for app, bolt in zip(apps, bolts, strict=True):
            if app.app_token is not None:
                await stack.enter_async_context(socket_door(bolt, app.app_token))
        yield Program(desk, bolts, port)


def _start(group: TaskGroup, cast: Cast, worker: Worker, ledger: Ledger) -> None:
    group.start_soon(worker.run)
    group.start_soon(_again, "The personas were not read", cast.refresh, _REFRESH_SECONDS)

    async def prune() -> None:
        await anyio.to_thread.run_sync(ledger.prune)

    group.start_soon(_again, "Old questions were not forgotten", prune, _PRUNE_SECONDS)


async def _first_look(cast: Cast) -> None:
    """Read the personas; the server may still be starting."""
    pause = 0.5
    while True:
        try:
            await cast.refresh()
        except RepertoryError as error:
            logger.warning("The personas cannot be read yet: %s", error.message)
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            return


async def _again(trouble: str, work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await anyio.sleep(seconds)
        try:
            await work()
        except RepertoryError as error:
            logger.warning("%s: %s", trouble, error.message)
