"""Actions: how long a large OpenAPI document takes to import, and what the server adds to one call.

The document is generated: operations and schemas of the size and form of a CRM's, 1 MB as JSON. The calls go to a
small service on loopback, a process of its own, by turns: the bare client, and the whole road of an action (check
the arguments, write the request, resolve and judge the address, send, bound and mask the answer).
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import yaml

from actions import ActionConfig, ActionSet, Documents, NetworkGrants, Secrets
from actions.json_value import JsonObject
from benchmarks.report import verdict
from benchmarks.section import Bench, Section
from core.ids import PersonaId

_BYTES = 1_000_000
_SCHEMAS = 300
_IMPORT_SECONDS = 2.0
_ADDED_MS = 5.0
_ARGUMENTS: JsonObject = {
    "id": "7",
    "properties": ["name", "amount"],
    "name": "Ada",
    "tags": ["a", "b"],
    "kind": "a",
}
_SERVICE = """\
import socket, sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"application/json"), (b"content-length", b"15")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"done": "yes"}'})
# As a socket and not as a number: only of a TCP socket does asyncio know that it may not wait for more to send.
listener = socket.socket(fileno=int(sys.argv[1]))
uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(sockets=[listener])
"""


def generated(size: int = _BYTES) -> JsonObject:
    """Return a document of about `size` characters as JSON."""
    schemas: JsonObject = {f"Record{number}": _record(number) for number in range(_SCHEMAS)}
    paths: JsonObject = {}
    each = len(json.dumps(_path(1000)))
    for number in range((size - len(json.dumps(schemas))) // (each + 30)):
        paths[f"/records{number}/{{id}}"] = _path(number)
    return {
        "openapi": "3.0.1",
        "info": {"title": "Records", "version": "1"},
        "servers": [{"url": "https://api.example"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _record(number: int) -> JsonObject:
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                "maxLength": 200,
                "description": "The name, as people know it.",
            },
            "amount": {"type": "number", "nullable": True},
            "tags": {"type": "array", "items": {"type": "string"}},
            "parent": {"$ref": f"#/components/schemas/Record{(number + 1) % _SCHEMAS}"},
            "children": {"type": "array", "items": {"$ref": f"#/components/schemas/Record{number}"}},
            "kind": {"type": "string", "enum": ["a", "b", "c"]},
        },
    }


def _path(number: int) -> JsonObject:
    schema: JsonObject = {"$ref": f"#/components/schemas/Record{number % _SCHEMAS}"}
    content: JsonObject = {"application/json": {"schema": schema}}
    words = "Updates one record of this kind with the properties that are given. " * 4
    return {
        "post": {
            "operationId": f"post-/records{number}/{{id}}_update",
            "summary": "Update one record.",
            "description": words,
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "properties", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                {"name": "archived", "in": "query", "schema": {"type": "boolean", "default": False}},
            ],
            "requestBody": {"required": True, "content": content},
            "responses": {
                "200": {"description": "ok", "content": content},
                "default": {"description": "An error."},
            },
        }
    }


def _measure(bench: Bench) -> Sequence[str]:
    with tempfile.TemporaryDirectory() as name, _service() as port:
        folder = Path(name)
        content = generated()
        (folder / "api.json").write_text(json.dumps(content))
        (folder / "api.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        lines, goals = _imports(folder, 2 if bench.quick else 7)
        actions = _load(folder, port)
        more, goal = anyio.run(_calls, actions, port, 50 if bench.quick else 1_000)
        return [*lines, "", *more, "", "| goal | measured | |", "|---|---|---|", *goals, goal]


def _imports(folder: Path, rounds: int) -> tuple[list[str], list[str]]:
    lines = ["| document | first import, median | worst | again (cached), median |", "|---|---|---|---|"]
    goals = []
    for name in ("api.json", "api.yaml"):
        config, first, again = ActionConfig(document=name), [], []
        for _ in range(rounds):
            documents = Documents(folder)
            first.append(_seconds(lambda: documents.load(config, _no_fetch)))  # noqa: B023 - called at once
            again.append(_seconds(lambda: documents.load(config, _no_fetch)))  # noqa: B023 - called at once
        count = len(documents.load(config, _no_fetch).operations)
        size = (folder / name).stat().st_size / 1e6
        median = statistics.median(first)
        lines.append(
            f"| {size:.2f} MB {name[4:].upper()}, {count} operations | {median:.2f} s | {max(first):.2f} s | "
            f"{1000 * statistics.median(again):.0f} ms |"
        )
        reached = verdict(median <= _IMPORT_SECONDS)
        goals.append(
            f"| import of 1 MB {name[4:].upper()} in {_IMPORT_SECONDS:g} s | {median:.2f} s | {reached} |"
        )
    return lines, goals


async def _calls(actions: ActionSet, port: int, rounds: int) -> tuple[list[str], str]:
    name = actions.operations[0].name
    prepared = actions.prepare(name, _ARGUMENTS)
    written = json.dumps(_ARGUMENTS)

    async def action() -> None:
        assert (await actions.call(name, actions.validate(name, written))).ok

    async with (
        httpx.AsyncClient(trust_env=False) as kept,
        httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as fresh,
    ):

        async def bare(client: httpx.AsyncClient) -> None:
            answer = await client.post(prepared.url, content=prepared.content, headers=prepared.headers)
            assert answer.status_code == 200

        arms: dict[str, Callable[[], Awaitable[None]]] = {
            "bare call, connection kept": lambda: bare(kept),
            "bare call, connection of its own": lambda: bare(fresh),
            "action": action,
        }
        times: dict[str, list[float]] = {arm: [] for arm in arms}
        for number in range(rounds + 20):
            for arm, call in arms.items():
                begun = time.perf_counter()
                await call()
                if number >= 20:
                    times[arm].append(1000 * (time.perf_counter() - begun))
    await actions.aclose()
    lines = [f"{rounds} calls each, by turns.", "", "| road | p50 | p95 |", "|---|---|---|"]
    for arm, taken in times.items():
        lines.append(
            f"| {arm} | {statistics.median(taken):.2f} ms | {statistics.quantiles(taken, n=20)[-1]:.2f} ms |"
        )
    added = statistics.median(times["action"]) - statistics.median(times["bare call, connection kept"])
    goal = f"an action adds at most {_ADDED_MS:g} ms to the bare call on a kept connection (p50)"
    return lines, f"| {goal} | {added:.2f} ms | {verdict(added <= _ADDED_MS)} |"


def _load(folder: Path, port: int) -> ActionSet:
    first = next(iter(generated()["paths"]))  # type: ignore[arg-type]  # an object, as made above
    config = ActionConfig(document="api.json", server=f"http://127.0.0.1:{port}", operations=(f"POST {first}",))
    return ActionSet.load(
        [config],
        root=folder,
        grants=NetworkGrants.parse([f"127.0.0.1:{port}"]),
        secrets=Secrets.none(),
        persona=PersonaId("bench"),
    )


@contextmanager
def _service() -> Iterator[int]:
    """Run the service and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # queues calls until the service takes them
        number, port = listener.fileno(), int(listener.getsockname()[1])
        process = subprocess.Popen([sys.executable, "-c", _SERVICE, str(number)], pass_fds=[number])
        try:
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _no_fetch(url: str) -> str:
    raise AssertionError(f"{url} was fetched")


SECTION = Section("actions", "Actions from OpenAPI documents", _measure)
