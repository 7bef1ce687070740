"""The Slack program in process, between the fake Slack and a real gateway over the fake engine."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from core.principal import Scope
from integrations.slack.config import Setup, SlackApp
from integrations.slack.program import Program, running
from tests.fakes.engine import FakeEngine, running_engine
from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, HELP, SECRET, FakeSlack, running_slack
from tests.server.conftest import Gateway, Start
from tests.server.conftest import start as start
from tests.server.serving import serving

GUIDE = f"""\
id: guide
name: Guide
instructions: You know the library.
conversation_starters:
  - When does the library open?
  - What does a late book cost?
knowledge:
  paths: [knowledge/library]
retrieval: {{floor: 0.2, top_k: 2}}
integrations:
  slack: {{hand_over: {HELP}}}
"""
PATIENCE = 60.0  # for busy machines


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a test of Slack has."""

    slack: FakeSlack
    gateway: Gateway
    program: Program
    setup: Setup

    @property
    def engine(self) -> FakeEngine:
        return self.gateway.engine


Run = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with running_engine() as fake:
        yield fake


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with running_slack() as fake:
        yield fake


@pytest.fixture
def gateway(start: Start) -> Iterator[Gateway]:
    with serving(start({"guide": GUIDE}, stall_seconds=60)) as served:
        yield served


@pytest.fixture
def setup(slack: FakeSlack, gateway: Gateway, tmp_path: Path) -> Setup:
    return Setup(
        server=gateway.base,
        api_key=SecretStr(gateway.secret("slack", Scope.CHAT, Scope.KNOWLEDGE, Scope.APPROVE)),
        database=tmp_path / "slack.db",
        app=SlackApp(
            bot_tokens=(SecretStr(BOT_TOKEN),),
            app_token=SecretStr(APP_TOKEN),
            signing_secret=SecretStr(SECRET),
        ),
        port=0,
        slack_api=f"{slack.url}/api/",
        lease_seconds=4,
    )


@pytest.fixture
def run(slack: FakeSlack, gateway: Gateway, setup: Setup) -> Run:
    """Return what runs the program with changes of its set-up."""

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[World]:
        changed = setup.model_copy(update=changes)
        async with running(changed) as program:
            yield World(slack, gateway, program, changed)

    return started


@pytest.fixture
async def world(run: Run, anyio_backend: str) -> AsyncIterator[World]:
    async with run() as running_world:
        yield running_world


async def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    with anyio.fail_after(seconds):
        while not true():
            await anyio.sleep(0.02)


def finished(slack: FakeSlack, channel: str, ts: str) -> bool:
    """Tell whether a thread has an answer that is not being written any more."""
    answers = slack.answers(channel, ts)
    return bool(answers) and not any(one.get("streaming") for one in answers)
