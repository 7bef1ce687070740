"""The gateway's hooks in process, over one data directory: the real routes, database, worker and network guard.

The engine gives another answer each time that it is asked, so that two answers to one question are seen. The
receiver of callbacks is also the service whose calls a person must approve; what it heard outlives a kill.
"""

import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from actions import ApprovalState, Decision
from core.callbacks import nothing
from core.database import Database
from core.ids import PrincipalId
from core.principal import Principal, Scope
from server.app import create_app
from server.assembly import assemble
from server.engine_port import Answering, Choice, Frame, Message, Payload, Readiness, Who
from server.hooks.answering import Answering as HookAnswering
from server.hooks.job import CallbackState, JobState
from server.hooks.signature import SIGNATURE, TIMESTAMP, signed
from server.settings import Settings
from tests.fakes.embedder import WordEmbedder
from tests.fakes.receiver import running_receiver

KEY = "a-key-with-which-the-crm-signs"
NOW = 1_800_000_000
BOSS = Principal(PrincipalId("key:boss"), frozenset({Scope.ADMIN}))
Step = Callable[[str], None]
_DOCUMENT = """\
openapi: 3.1.0
info: {title: Bank, version: "1"}
paths: {/pay: {post: {operationId: pay, responses: {"204": {description: paid}}}}}
"""
_PERSONA = """\
id: clerk
name: Clerk
instructions: You are a clerk.
integrations: {hooks: [{name: crm, secret: crm-hook}]}
actions:
  - {document: bank.yaml, server: "http://127.0.0.1:PORT"}
"""


class _Engine:
    """Decides to pay where it is asked to; answers with the number of the answer."""

    base_model = "base"

    def __init__(self, base: Path, step: Step) -> None:
        self._asked = base / "asked"
        self._step = step

    def ready(self) -> Readiness:
        return Readiness(True)

    async def chat(self, model: str, payload: Payload) -> Frame:
        messages: Any = payload["messages"]
        if "structured_outputs" in payload:
            pays = any("Pay" in str(one["content"]) for one in messages)
            text = "pay" if pays else "none"
        elif "response_format" in payload:
            text = "{}"
        else:
            await anyio.to_thread.run_sync(self._step, "ask")
            with self._asked.open("a") as file:
                file.write("x")
            text = f"answer {self._asked.stat().st_size}"
            await anyio.to_thread.run_sync(self._step, "answered")
        choice = Choice(index=0, message=Message(role="assistant", content=text), finish_reason="stop")
        return Frame(id="x", object="chat.completion", created=0, model=model, choices=[choice])

    async def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        frames: list[Frame] = []  # a hook's answer is not streamed
        for frame in frames:
            yield frame


class _NoReleases:
    def resolve(self, adapter: str) -> str:
        raise AssertionError("no persona here has an adapter")

    def answering(self, adapter: str, who: Who) -> Answering:
        return Answering(self.resolve(adapter))

    async def pinned(self, adapter: str, version: int) -> str:
        raise AssertionError("nobody pins a version here")


class HookHouse:
    """All of it. Use it as `async with house.running()`.

    Args:
        base: the data directory, with a migrated database.
        step: told when the engine is asked, and when a callback or a call arrives and is answered.
    """

    def __init__(self, base: Path, step: Step = nothing) -> None:
        self.base = base
        self._step = step
        self._port = _port(base)
        self.database = Database(base / "repertory.db")
        (base / "bank.yaml").write_text(_DOCUMENT)
        (base / "personas" / "clerk.yaml").write_text(_PERSONA.replace("PORT", str(self._port)))
        secret = {"value": KEY, "hosts": [f"127.0.0.1:{self._port}"], "kind": "signing"}
        (base / "secrets.yaml").write_text(json.dumps({"crm-hook": secret}))
        settings: dict[str, Any] = {
            "data_dir": base,
            "personas_dir": base / "personas",
            "knowledge_root": base,
            "secrets_file": base / "secrets.yaml",
            "private_hosts": f"127.0.0.1:{self._port}",
            "_env_file": None,
        }
        self.services = assemble(
            Settings(**settings),
            database=self.database,
            embedder=WordEmbedder("words/1"),
            engine=_Engine(base, step),
            releases=_NoReleases(),
            clock=lambda: float(NOW),
        )
        assert self.services.personas.problems == ()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        """Run receiver and worker; yield a client of the routes."""
        with running_receiver(self._port, self._noted):
            async with anyio.create_task_group() as group:
                group.start_soon(self.services.hooks.run, HookAnswering(self.services))
                transport = httpx.ASGITransport(create_app(self.services))
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
                    yield client
                group.cancel_scope.cancel()
            await self.services.hooks.aclose()
            await self.services.personas.aclose()
        self.database.close()

    async def ask(self, client: httpx.AsyncClient, delivery: str, question: str) -> str:
        """Send a signed question; return the job's id."""
        url = f"http://127.0.0.1:{self._port}/answers"
        content = json.dumps({"delivery": delivery, "input": question, "callback_url": url}).encode()
        headers = {TIMESTAMP: str(NOW), SIGNATURE: signed(KEY.encode(), NOW, content)}
        headers["content-type"] = "application/json"
        answer = await client.post("/api/hooks/clerk", content=content, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def settled(self, job: str) -> None:
        """Wait until a job is over and its sender has been told; approve what waits meanwhile."""
        with anyio.fail_after(60):
            while True:
                found, callback = await anyio.to_thread.run_sync(self.services.hooks.store.get, job)
                told = callback is not None and callback.state is CallbackState.DELIVERED
                if found.state in (JobState.DONE, JobState.FAILED) and told:
                    return
                if found.state is JobState.WAITING and told:
                    await anyio.to_thread.run_sync(self._approve)
                await anyio.sleep(0.01)

    def _approve(self) -> None:
        for one in self.services.approvals.list(ApprovalState.PENDING):
            self.services.approvals.decide(one.id, Decision.APPROVE, BOSS)
            self.services.hooks.wake()

    def _noted(self, path: str, body: bytes) -> None:
        name = path.strip("/")
        self._step(f"{name} arrives")
        with (self.base / name).open("ab") as file:
            file.write((body or b"{}") + b"\n")
        self._step(f"{name} is answered")


def _port(base: Path) -> int:
    """Return the port of the receiver, which the callback of a waiting job names: the same after a kill."""
    path = base / "port"
    if not path.exists():
        with socket.create_server(("127.0.0.1", 0)) as probe:
            path.write_text(str(probe.getsockname()[1]))
    return int(path.read_text())
