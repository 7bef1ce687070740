"""The whole gateway in process, over a fake engine that is a real HTTP server."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest
from fastapi import FastAPI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from core.clock import Clock
from core.errors import NotFound, Unavailable
from core.principal import Scope
from retrieval.records import Vectors
from server.app import create_app
from server.assembly import assemble
from server.engine.client import EngineClient
from server.engine_port import Answering, Readiness, Who
from server.evaluation.evaluating import Likelihood
from server.services import Services
from server.settings import Settings
from tests.databases import new_database
from tests.fakes.embedder import WordEmbedder
from tests.fakes.engine import FakeEngine, running_engine

PLAIN = """\
id: plain
name: Plain
instructions: You are plain.
"""
LIBRARIAN = """\
id: librarian
name: Librarian
instructions: You know the library.
knowledge:
  paths: [knowledge/library]
retrieval: {floor: 0.2, top_k: 2}
"""
TUNED = """\
id: tuned
name: Tuned
instructions: You are tuned.
model:
  adapter: tuned
  sampling: {temperature: 0.3, top_k: 20}
  limits: {max_output_tokens: 64}
"""
HOURS = """\
# Opening hours

The library opens at nine and closes at eighteen on weekdays.

# Fines

A late book costs twenty cents for each day.
"""


class BreakableEmbedder(WordEmbedder):
    """Words as vectors, until a test breaks it."""

    broken = False

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        if self.broken:
            raise Unavailable("The embedding process died twice.", code="embedder_unavailable")
        return super().embed(texts, priority=priority)


class FixedReleases:
    """Adapter versions as a test sets them."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {"tuned": "tuned@3"}

    def resolve(self, adapter: str) -> str:
        if adapter not in self.versions:
            raise Unavailable(
                f"The adapter {adapter!r} cannot be served: it was not imported.", code="adapter_unavailable"
            )
        return self.versions[adapter]

    def answering(self, adapter: str, who: Who) -> Answering:
        return Answering(self.resolve(adapter))

    async def pinned(self, adapter: str, version: int) -> str:
        if version > int(self.versions.get(adapter, "@0").partition("@")[2]):
            raise NotFound(f"There is no adapter version '{adapter}@{version}'.", code="adapter_version_not_found")
        return f"{adapter}@{version}"


Said = str | dict[str, Any]


@dataclass
class Gateway:
    """A running gateway and the levers of its surroundings."""

    app: FastAPI
    services: Services
    engine: FakeEngine
    releases: FixedReleases
    embedder: BreakableEmbedder
    readiness: list[Readiness]
    personas_dir: Path
    base: str = "http://localhost:8000"
    secrets: dict[str, str] = field(default_factory=dict)

    def http(self, **headers: str) -> httpx.AsyncClient:
        """Return a client without key."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        return httpx.AsyncClient(transport=transport, base_url=self.base, headers=headers)

    def admin(self) -> httpx.AsyncClient:
        """Return a client with the first admin key."""
        return self.http(authorization=f"Bearer {self.secret('admin', Scope.ADMIN)}")

    def openai(self, key: str = "none", *, strict: bool = True) -> openai.AsyncOpenAI:
        """Return the SDK's client, as strict as it gets."""
        transport = httpx2.ASGITransport(self.app)
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=f"{self.base}/v1",
            http_client=httpx2.AsyncClient(transport=transport),
            max_retries=0,
            _strict_response_validation=strict,
        )

    async def ask(self, model: str, *messages: Said, key: str = "none", **fields: Any) -> ChatCompletion:
        """Return a whole answer; plain strings are user messages."""
        create: Any = self.openai(key).chat.completions.create
        answer: ChatCompletion = await create(model=model, messages=said(messages), **fields)
        return answer

    async def stream(self, model: str, *messages: Said, **fields: Any) -> list[ChatCompletionChunk]:
        """Return the chunks of a streamed answer."""
        create: Any = self.openai().chat.completions.create
        return [chunk async for chunk in await create(model=model, messages=said(messages), stream=True, **fields)]

    def secret(self, name: str, *scopes: Scope) -> str:
        """Return the secret of a key with these scopes, made at the first call."""
        if name not in self.secrets:
            self.secrets[name] = self.services.keys.create(name, scopes)[1]
        return self.secrets[name]


def said(messages: tuple[Said, ...]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


Start = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with running_engine() as running:
        running.models |= {"tuned@3"}
        yield running


@pytest.fixture
def start(tmp_path: Path, engine: FakeEngine) -> Start:
    """Return what starts a gateway with the given settings and further persona files."""

    @asynccontextmanager
    async def started(
        personas: dict[str, str] | None = None,
        *,
        clock: Clock = lambda: 1_800_000_000.0,
        likelihood: Likelihood | None = None,
        **settings: Any,
    ) -> AsyncIterator[Gateway]:
        folder = tmp_path / "personas"
        folder.mkdir()
        for name, text in ({"plain": PLAIN, "librarian": LIBRARIAN, "tuned": TUNED} | (personas or {})).items():
            (folder / f"{name}.yaml").write_text(text)
        library = tmp_path / "knowledge" / "library"
        library.mkdir(parents=True)
        (library / "hours.md").write_text(HOURS)
        fields: dict[str, Any] = {
            "data_dir": tmp_path,
            "personas_dir": folder,
            "knowledge_root": tmp_path,
            "_env_file": None,
        }
        database = new_database(settings.get("data_dir", tmp_path) / "repertory.db")
        readiness = [Readiness(True)]
        client = EngineClient(
            base_model="base",
            urls=[engine.url],
            stall_seconds=settings.get("stall_seconds", 5),
            readiness=lambda: readiness[-1],
        )
        releases, embedder = FixedReleases(), BreakableEmbedder(dimensions=384)
        services = assemble(
            Settings(**(fields | settings)),
            database=database,
            embedder=embedder,
            engine=client,
            releases=releases,
            clock=clock,
            likelihood=likelihood,
        )
        app = create_app(services)
        async with app.router.lifespan_context(app):
            await services.sync.run()
            yield Gateway(app, services, engine, releases, embedder, readiness, folder)
        await client.aclose()
        database.close()

    return started


@pytest.fixture
async def gateway(start: Start, anyio_backend: str) -> AsyncIterator[Gateway]:
    async with start() as running:
        yield running


@pytest.fixture
def kept_logging() -> Iterator[None]:
    """Put the set-up of logging back that pytest had."""
    root = logging.getLogger()
    names = ["server", "retrieval", "adapters", "actions", "core"]
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in [*names, "root"]}
    yield
    root.handlers[:] = handlers
    root.setLevel(levels.pop("root"))
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
