"""Where the time of a chat turn goes, from the first byte of the request to `[DONE]`.

The gateway runs in this process, over the engine and the ticket tracker of the running server, so that what
it calls can be timed from outside: the embedder and the engine are wrapped, the rest is in the turn's record.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import httpx

from benchmarks.section import Bench, Section
from benchmarks.served import Served
from core.clock import system_clock
from core.database import Database
from retrieval import Embedder, TextEmbedder
from retrieval.records import Vectors
from server.app import create_app
from server.assembly import assemble
from server.engine.client import EngineClient
from server.engine_port import Answering, Frame, Payload, Readiness, Who
from server.migrations import migrate
from server.settings import Settings
from server.turn.record import TurnRecord

_QUESTIONS = {
    "compliance-guide": (
        "Which documents prove an address?",
        "How often do we review a high-risk customer?",
        "Who signs off a politically exposed person?",
        "What do we do when a name is on a sanctions list?",
        "Who files a report of suspicion?",
        "Which documents does a limited company need?",
    ),
    "support-agent": (
        "My parcel is five days late. When does it count as lost?",
        "How many days do I have to send goods back?",
        "Who pays for the way back of a broken lamp?",
        "How long is the guarantee on a kettle?",
        "Can I still change the address of my order?",
        "My account is locked. What can I do?",
    ),
    "scrum-coach": (
        "Which open tickets do we have about the login page?",
        "Which open tickets do we have about the invoice?",
        "Which open tickets do we have about the search?",
        "Search the tickets for the export button.",
        "Are there open tickets about the map?",
        "Which tickets are open about the password?",
    ),
}
ROWS = (
    "embedding the question",
    "searching the documents",
    "engine: choosing an action and its arguments",
    "carrying the action out",
    "engine: waiting and reading the prompt",
    "engine: writing the answer",
    "finding citations (embedding the answer)",
    "the gateway itself",
)


@dataclass(slots=True)
class Watch:
    """What the wrapped parts took in the turn under way, in seconds."""

    embeddings: list[float] = field(default_factory=list)
    choosing: float = 0.0
    writing: list[float] = field(default_factory=list)
    records: list[TurnRecord] = field(default_factory=list)

    def finished(self, record: TurnRecord) -> None:
        """Take the turn's record."""
        self.records.append(record)


class TimedEmbedder:
    """An embedder that notes how long it took."""

    def __init__(self, inner: TextEmbedder) -> None:
        self._inner = inner
        self.watch = Watch()

    @property
    def model_id(self) -> str:
        """As the inner one's."""
        return self._inner.model_id

    @property
    def dimensions(self) -> int:
        """As the inner one's."""
        return self._inner.dimensions

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        """Embed and note the time."""
        began = time.perf_counter()
        vectors = self._inner.embed(texts, priority=priority)
        self.watch.embeddings.append(time.perf_counter() - began)
        return vectors


class TimedEngine:
    """An engine that notes how long whole answers took, and how long each frame of a stream."""

    def __init__(self, inner: EngineClient) -> None:
        self._inner = inner
        self.watch = Watch()

    @property
    def base_model(self) -> str:
        """As the inner one's."""
        return self._inner.base_model

    def ready(self) -> Readiness:
        """As the inner one's."""
        return self._inner.ready()

    async def chat(self, model: str, payload: Payload) -> Frame:
        """Ask and note the time."""
        began = time.perf_counter()
        answer = await self._inner.chat(model, payload)
        self.watch.choosing += time.perf_counter() - began
        return answer

    async def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        """Stream and note how long each frame was waited for."""
        async with aclosing(self._inner.stream(model, payload)) as frames:
            began = time.perf_counter()
            async for frame in frames:
                self.watch.writing.append(time.perf_counter() - began)
                yield frame
                began = time.perf_counter()


class FirstVersions:
    """Every adapter answers with its first version."""

    def resolve(self, adapter: str) -> str:
        """Return the first version."""
        return f"{adapter}@1"

    def answering(self, adapter: str, who: Who) -> Answering:
        return Answering(self.resolve(adapter))

    async def pinned(self, adapter: str, version: int) -> str:
        """Return the version."""
        return f"{adapter}@{version}"


def _measure(bench: Bench) -> list[str]:
    return asyncio.run(_all(bench.served(), 1 if bench.quick else None))


async def _all(served: Served, count: int | None) -> list[str]:
    columns: dict[str, list[float]] = {}
    tokens: dict[str, float] = {}
    async with _gateway(served) as (http, embedder, engine, watch):
        for persona, questions in _QUESTIONS.items():
            await _turn(http, persona, questions[0] + " Thank you.", watch)
            parts = []
            for question in questions[:count]:
                embedder.watch = engine.watch = Watch()
                seconds = await _turn(http, persona, question, watch)
                parts.append(_parts(seconds, embedder.watch, engine.watch, watch.records[-1]))
            columns[persona] = [fmean(column) for column in zip(*parts, strict=True)]
            tokens[persona] = fmean(record.tokens()["completion_tokens"] for record in watch.records[1:])
            watch.records.clear()
    lines = [
        "Streamed first turns of the demo's personas, one at a time, on an idle engine; means in milliseconds and",
        "the share of the whole.",
        "",
        "| part | " + " | ".join(f"`{persona}`" for persona in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row, name in enumerate(ROWS):
        cells = [f"{1000 * c[row]:.1f} ({c[row] / sum(c):.1%})" for c in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("| **the whole turn** | " + " | ".join(f"{1000 * sum(c):.0f}" for c in columns.values()) + " |")
    lines.append("| tokens written | " + " | ".join(f"{count:.0f}" for count in tokens.values()) + " |")
    return lines


def _parts(seconds: float, embedder: Watch, engine: Watch, record: TurnRecord) -> list[float]:
    """Return what each row took; the last one is what is left."""
    question, *answers = embedder.embeddings or [0.0]
    first, *later = engine.writing or [0.0]
    acting = sum(call.seconds for call in record.calls)
    search = (record.retrieval_seconds or 0.0) - question
    parts = [question, search, engine.choosing, acting, first, sum(later), sum(answers)]
    return [*parts, seconds - sum(parts)]


async def _turn(http: httpx.AsyncClient, persona: str, question: str, watch: Watch) -> float:
    body = {"model": persona, "messages": [{"role": "user", "content": question}], "stream": True}
    began = time.perf_counter()
    answer = await http.post("/v1/chat/completions", json=body)
    seconds = time.perf_counter() - began
    if "[DONE]" not in answer.text or watch.records[-1].error:
        raise RuntimeError(answer.text[-1000:])
    return seconds


@asynccontextmanager
async def _gateway(
    served: Served,
) -> AsyncIterator[tuple[httpx.AsyncClient, TimedEmbedder, TimedEngine, Watch]]:
    """Run a gateway in this process over the server's engine, with its documents read."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), personas_dir=served.personas_dir, private_hosts=(served.tracker,)
        )
        database = Database(settings.database_path)
        migrate(database)
        process = Embedder(settings.embedding_model_dir, log_path=Path(folder) / "embedder.log")
        process.start()
        client = EngineClient(base_model="base", socket=served.socket)
        embedder, engine, watch = TimedEmbedder(process), TimedEngine(client), Watch()
        services = assemble(
            settings,
            database=database,
            embedder=embedder,
            engine=engine,
            releases=FirstVersions(),
            clock=system_clock,
        )
        app = create_app(replace(services, observers=(watch,)))
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app):
            await services.sync.run()
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost:8000", timeout=600
            ) as http:
                yield http, embedder, engine, watch
        await client.aclose()
        process.close()
        database.close()


SECTION = Section("turns", "Where the time of a turn goes", _measure)
