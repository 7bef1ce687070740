"""The gateway's knowledge in process: its real routes, database, folders and workers, without engine and models.

Nothing runs in the background: whoever drives it says when a waiting file is taken in, so that each run is the
same.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from core.callbacks import nothing
from core.database import Database
from core.errors import NotFound, Unavailable
from retrieval import IndexSizes
from retrieval.ingest import Ingest
from retrieval.parsing import ParsedDocument, Parser
from retrieval.records import Vectors
from server.app import create_app
from server.assembly import assemble
from server.engine.client import EngineClient
from server.engine_port import Answering, Readiness, Who
from server.settings import Settings
from tests.fakes.embedder import WordEmbedder

SAVED = IndexSizes(in_memory=0)
"""Words are written to disk even of few passages."""

_LONG = 100  # characters of what is only counted while a document is being cut
Step = Callable[[str], None]


class WatchedEmbedder(WordEmbedder):
    """Says when it embeds passages."""

    def __init__(self, model_id: str, step: Step) -> None:
        super().__init__(model_id)
        self._step = step

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        if not priority:
            self._step("embed")
        return super().embed(texts, priority=priority)


class _WatchedTokens:
    """Words as tokens; says once for each document when it is being cut."""

    window = 256

    def __init__(self, step: Step) -> None:
        self._step = step
        self.cutting = False

    def count(self, text: str) -> int:
        if len(text) > _LONG and not self.cutting:
            self.cutting = True
            self._step("cut")
        return len(text.split())


class _WatchedParser(Parser):
    def __init__(self, step: Step, tokens: _WatchedTokens) -> None:
        super().__init__()
        self._say = step
        self._tokens = tokens

    def parse(self, content: bytes, name: str) -> ParsedDocument:
        self._say("parse")
        document = super().parse(content, name)
        self._tokens.cutting = False
        self._say("parsed")
        return document


class _NoReleases:
    """No adapters at all."""

    def resolve(self, adapter: str) -> str:
        raise Unavailable(f"There is no adapter {adapter!r}.")

    def answering(self, adapter: str, who: Who) -> Answering:
        return Answering(self.resolve(adapter))

    async def pinned(self, adapter: str, version: int) -> str:
        raise NotFound(f"There is no version {version} of {adapter!r}.")


class House:
    """All of it over one data directory.

    Args:
        base: the data directory, with a migrated database.
        model: the embedder's name; another one gives other vectors.
        step: told when a file is parsed and cut, and when passages are embedded.
    """

    def __init__(self, base: Path, *, model: str = "words/1", step: Step = nothing) -> None:
        self.base = base
        self.database = Database(base / "repertory.db")
        settings: dict[str, Any] = {"data_dir": base, "personas_dir": base / "personas", "_env_file": None}
        services = assemble(
            Settings(**settings),
            database=self.database,
            embedder=WatchedEmbedder(model, step),
            engine=EngineClient(
                base_model="base", urls=["http://127.0.0.1:9"], stall_seconds=5, readiness=lambda: Readiness(True)
            ),
            releases=_NoReleases(),
            clock=lambda: 1_800_000_000.0,
            index_sizes=SAVED,
        )
        tokens = _WatchedTokens(step)
        blobs = services.uploads.files.blobs
        ingest = Ingest(self.database, services.embedder, _WatchedParser(step, tokens), tokens, blobs.path)
        self.uploads = replace(services.uploads, ingest=ingest)
        self.knowledge = services.knowledge
        self._app = create_app(replace(services, uploads=self.uploads))

    def work(self) -> None:
        """Do what the server's worker does when it wakes: take in what waits, then sweep."""
        self.uploads.ingest.embed_anew()
        while self.uploads.ingest.step() is not None:
            pass
        self.uploads.sweep()

    @asynccontextmanager
    async def client(self) -> AsyncIterator["Client"]:
        """Open a client of the routes; it has no key, as a program on the same machine."""
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000/v1") as http:
            yield Client(http)

    def close(self) -> None:
        """Let the data directory go."""
        self.uploads.ingest.close()
        self.knowledge.close()
        self.database.close()


class Client:
    """Asks the routes of files and vector stores."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        """Return the answer of a request that must succeed."""
        response = await self.http.request(method, path, json=body or None)
        assert response.status_code == 200, response.text
        return response.json()

    async def upload(
        self, name: str, content: bytes, between: Callable[[], None] = lambda: None
    ) -> httpx.Response:
        """Upload a file in two pieces; `between` is called before each of them and before the end."""
        head = (
            '--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
            f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        )
        half = len(content) // 2

        async def pieces() -> AsyncIterator[bytes]:
            for piece in (head.encode() + content[:half], content[half:], b"\r\n--edge--\r\n"):
                between()
                yield piece

        media = "multipart/form-data; boundary=edge"
        return await self.http.post("/files", content=pieces(), headers={"content-type": media})

    async def uploaded(self, name: str, content: bytes, between: Callable[[], None] = lambda: None) -> str:
        """Upload a file; return its id."""
        response = await self.upload(name, content, between)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    async def every(self, path: str) -> list[dict[str, Any]]:
        """Return a list of at most 100 things, the oldest first."""
        found: list[dict[str, Any]] = (await self.ask("GET", f"{path}?limit=100&order=asc"))["data"]
        return found

    async def search(self, store: str, query: str) -> list[tuple[str, str, float]]:
        """Return file name, text and score of every passage that is found."""
        answer = await self.ask("POST", f"/vector_stores/{store}/search", query=query, max_num_results=50)
        return [(hit["filename"], hit["content"][0]["text"], round(hit["score"], 5)) for hit in answer["data"]]
