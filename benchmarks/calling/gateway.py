"""The gateway in this process, over a running engine's socket and the recording service.

So the whole road of a turn is measured (prompt, decision, arguments, check, HTTP request, answer), and yet every
answer of the engine can be seen, those of calls that are never made, too.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.calling.judged import Asked, write_personas
from benchmarks.calling.service import Service, recording
from benchmarks.calling.watched import Verdict, WatchedEngine, judge
from benchmarks.turns import FirstVersions
from core.clock import system_clock
from core.database import Database
from retrieval.records import Vectors
from server.app import create_app
from server.assembly import assemble
from server.engine.client import EngineClient
from server.keys.gate import ANONYMOUS
from server.migrations import migrate
from server.services import Services
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway with the personas of the judged set."""

    http: httpx.AsyncClient
    services: Services
    engine: WatchedEngine
    service: Service

    async def ask(self, asked: Asked, way: str, *, decided: bool = False) -> Verdict:
        """Ask a question and judge what was called.

        Args:
            asked: the question.
            way: of calling.
            decided: the right operation is chosen beforehand; only the arguments are the model's.
        """
        model = asked.model(way)
        self.engine.begin(asked.operation if decided else None)
        self.service.calls.clear()
        body = {"model": model, "messages": [{"role": "user", "content": asked.question}]}
        began = time.perf_counter()
        answer = await self.http.post("/v1/chat/completions", json=body)
        seconds = time.perf_counter() - began
        if answer.is_error:
            raise RuntimeError(f"{model} on {asked.question!r}: {answer.text[:1000]}")
        actions = self.services.personas.get(model, ANONYMOUS).actions
        arrived = len(self.service.calls)
        return judge(asked, self.engine.attempts(), actions, seconds=seconds, arrived=arrived)


class _NoEmbedder:
    """Stands where an embedder must: the personas have no documents."""

    model_id = "none"
    dimensions = 1

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        """Refuse."""
        raise AssertionError(f"{len(texts)} texts were to be embedded")


@asynccontextmanager
async def gateway(socket: Path, asked: Sequence[Asked]) -> AsyncIterator[Gateway]:
    """Run the gateway over the engine behind `socket`, with the personas of some questions."""
    with tempfile.TemporaryDirectory() as name, recording() as service:
        folder = Path(name)
        write_personas(folder / "personas", f"http://{service.address}", asked)
        settings = Settings(
            data_dir=folder / "data", personas_dir=folder / "personas", private_hosts=(service.address,)
        )
        settings.data_dir.mkdir()
        database = Database(settings.database_path)
        migrate(database)
        client = EngineClient(base_model="base", socket=socket)
        engine = WatchedEngine(client, lambda: bool(service.calls))
        services = assemble(
            settings,
            database=database,
            embedder=_NoEmbedder(),
            engine=engine,
            releases=FirstVersions(),
            clock=system_clock,
        )
        app = create_app(services)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://localhost:8000", timeout=600
            ) as http,
        ):
            yield Gateway(http, services, engine, service)
        await client.aclose()
        database.close()
