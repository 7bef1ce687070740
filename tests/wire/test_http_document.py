"""Our OpenAPI document is true: every route is in it, every answer fits it, and `docs/http.md` says the same."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.rollouts.course import Turn
from adapters.rollouts.plan import Arm, Plan
from adapters.rollouts.tally import Fault
from core.principal import Scope
from server.app import create_app
from server.hooks.signature import SIGNATURE, TIMESTAMP, signed
from server.openapi import document_of
from server.openapi.operations import OPERATIONS
from server.routes.adapters import papers_of
from tests.adapters.tiny import make_adapter
from tests.fakes.crm import Crm
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.wire.surface import HOOK_KEY, whole_surface

pytestmark = pytest.mark.anyio
QUESTION = {"role": "user", "content": "When does the library open on weekdays?"}
WEATHER = {"type": "function", "function": {"name": "weather"}}
DOCS = Path(__file__).parents[2] / "docs" / "http.md"


@dataclass
class Surface:
    """The whole HTTP surface, adapters included, and its document."""

    gateway: Gateway
    document: dict[str, Any]

    def problems(self, response: httpx.Response, key: str) -> list[str]:
        """Return what an answer has that the document does not say."""
        method, path = key.split(" ")
        answers = self.document["paths"][path][method.lower()]["responses"]
        said = answers.get(str(response.status_code), answers["default"])["content"]
        media = next((one for one in said if response.headers["content-type"].startswith(one)), None)
        if media is None:
            return [f"{key} answers {response.headers['content-type']!r}"]
        if media != "application/json":
            return []
        return self.misfits(response.json(), said[media].get("schema", {}))

    def misfits(self, body: object, schema: dict[str, Any]) -> list[str]:
        """Return how a body differs from a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        return [f"{one.json_path}: {one.message}" for one in Draft202012Validator(whole).iter_errors(body)]


@pytest.fixture
async def surface(start: Start, crm: Crm, tmp_path: Path) -> AsyncIterator[Surface]:
    async with whole_surface(start, crm, tmp_path) as gateway, gateway.admin() as admin:
        yield Surface(gateway, (await admin.get("/openapi.json")).json())


async def test_the_document_is_valid_and_knows_every_route_and_no_other(surface: Surface) -> None:
    validate(surface.document)
    routes = [route for route in surface.gateway.app.routes if isinstance(route, APIRoute)]
    served = {f"{method} {route.path}" for route in routes for method in route.methods}
    told = {f"{m.upper()} {path}" for path, methods in surface.document["paths"].items() for m in methods}
    assert served == set(OPERATIONS) == told
    names = [op["operationId"] for methods in surface.document["paths"].values() for op in methods.values()]
    assert len(names) == len(set(names))
    assert "HTTPValidationError" not in json.dumps(surface.document)


async def test_the_misfit_finder_notices_a_key_too_many_and_one_too_few(surface: Surface) -> None:
    schema = {"$ref": "#/components/schemas/Model"}
    model = {"id": "a", "object": "model", "created": 1, "owned_by": "repertory"}
    assert surface.misfits(model, schema) == []
    assert surface.misfits(model | {"path": "/root"}, schema)
    assert surface.misfits({"id": "a"}, schema)


async def test_every_answer_fits_the_document(surface: Surface, tmp_path: Path) -> None:
    gateway, document = surface.gateway, surface.document
    gateway.engine.will("It opens at nine [1].", "look_up", '{"who": "Ada"}', "Yes.", "remove", '{"contact": "7"}')
    ask = "POST /v1/chat/completions"
    waiting = {"model": "clerk", "messages": [{"role": "user", "content": "Remove 7"}]}
    include = {"repertory": {"include": True}}
    async with gateway.admin() as admin:
        seen: dict[str, list[int]] = {}

        async def call(key: str, body: object = None, **path: str) -> dict[str, Any]:
            method, template = key.split(" ")
            url = re.sub(r"\{(\w+)\}", lambda name: path.pop(name[1]), template)
            if "{persona}" in template:
                content = json.dumps(body).encode()
                stamp = int(gateway.services.clock())
                headers = {TIMESTAMP: str(stamp), SIGNATURE: signed(HOOK_KEY.encode(), stamp, content)}
                headers |= {"content-type": "application/json"}
                response = await admin.request(method, url, content=content, headers=headers)
            elif OPERATIONS[key].form:
                form = {} if body else {"purpose": "assistants"}
                sent = body if isinstance(body, bytes) else b"A cat sleeps."
                response = await admin.post(url, data=form, files={"file": ("cat.txt", sent)})
            else:
                response = await admin.request(method, url, json=body, params=path)
            expected = OPERATIONS[key].status
            assert (key, response.status_code, surface.problems(response, key)) == (key, expected, [])
            seen.setdefault(key, []).append(response.status_code)
            json_body = response.headers["content-type"] == "application/json"
            return response.json() if json_body else {"page": response.text}

        cited = await call(ask, {"model": "librarian", "messages": [QUESTION], **include})
        await call(ask, {"model": "clerk", "messages": [QUESTION], **include})
        await call(ask, waiting)
        gateway.engine.will(Reply(text="", tool_calls=(("weather", "{}"),)))
        await call(ask, {"model": "plain", "messages": [QUESTION], "tools": [WEATHER], "logprobs": True, "n": 1})
        await call(ask, {"model": "plain", "messages": [QUESTION], "logprobs": True, "top_logprobs": 1, "n": 2})
        for key in ("GET /v1/models", "GET /livez", "GET /readyz", "GET /metrics", "GET /openapi.json"):
            await call(key)
        await call("GET /v1/models/{model}", model="plain")
        for encoding in ("float", "base64"):
            body = {"model": "all-MiniLM-L6-v2", "input": ["a cat"], "encoding_format": encoding}
            await call("POST /v1/embeddings", body)
        await call("GET /v1/files/{file_id}/content", file_id=cited["repertory"]["sources"][0]["document"])
        await _use_uploads(call)
        await _use_fine_tuning(call, gateway)
        await call("GET /api/personas")
        (approval,) = (await call("GET /api/approvals"))["data"]
        await call("POST /api/approvals/{approval_id}", {"decision": "deny"}, approval_id=approval["id"])
        await _use_connections(call)
        assert (await call("GET /api/actions/calls"))["data"]
        await call("GET /api/knowledge/stores")
        hits = await call("POST /api/knowledge/search", {"query": "library opens", "persona": "librarian"})
        assert hits["data"]
        await _use_hooks(call, gateway)
        await _use_evals(call, gateway)
        await call("GET /api/mcp/servers")
        await call("GET /api/mcp/servers/{name}", name="notes")
        assert (await call("POST /api/mcp/servers/{name}/accept", name="notes"))["tools"]
        assert (await call("GET /api/adapters"))["data"]
        await call("GET /api/adapters/{name}", name="coach")
        await _use_rollouts(call, gateway, tmp_path)
        assert "secret" in await call("POST /api/keys", {"name": "made", "scopes": ["chat"]})
        await call("PATCH /api/keys/{name}", {"tokens_per_day": 5}, name="made")
        await call("GET /api/keys")
        await call("DELETE /api/keys/{name}", name="made")
        await call("GET /api/usage", group_by="persona")
        turns = (await call("GET /api/transcripts", persona="librarian"))["data"]
        await call("GET /api/transcripts/{transcript_id}", transcript_id=turns[0]["id"])
        await call("POST /api/feedback", {"answer": turns[0]["id"], "rating": "bad", "reason": "It is ten."})
        assert (await call("GET /api/feedback"))["data"]
        await call("DELETE /api/transcripts", conversation=turns[0]["conversation"])
    adapters = "/api/adapters/{name}"
    need_a_running_engine = {
        f"POST {adapters}/use",
        f"POST {adapters}/rollback",
        "POST /api/rollouts",
        "GET /metrics/engine/{number}",
    }
    assert set(seen) == set(OPERATIONS) - need_a_running_engine
    assert document["paths"]["/v1/chat/completions"]["post"]["requestBody"]["required"]


async def _use_rollouts(call: Callable[..., Awaitable[dict[str, Any]]], gateway: Gateway, folder: Path) -> None:
    """Ask every address of rollouts, over one that was begun without an engine."""
    registry, conduct = gateway.app.state.registry, gateway.services.rollouts
    assert conduct is not None
    base = BaseModel.load(folder / "base")
    registry.import_folder(make_adapter(folder / "second", seed=1), "coach", base=base, limits=ImportLimits())
    approve = "POST /api/adapters/{name}/versions/{number}/approve"
    past = {"override": True, "reason": "for the document"}
    assert (await call(approve, past, name="coach", number="2"))["state"] == "approved"
    registry.promote("coach", 1, by="ann", reason="for the document", override=True)
    rollout = conduct.rollouts.start("coach", 2, stage="shadow", plan=Plan(), by="ann").id
    here, path = {"rollout_id": rollout}, "/api/rollouts/{rollout_id}"
    assert (await call("GET /api/rollouts"))["data"]
    await call(f"POST {path}/pause", {"reason": "lunch"}, **here)
    await call(f"POST {path}/resume", {}, **here)
    assert (await call(f"POST {path}/advance", {"to": "50"}, **here))["share"] == 0.5
    turn = Turn(rollout, "chatcmpl-1", Arm.CANARY, "u", "50", Fault.NONE, 0.5, 0.0)
    conduct.observations.add([turn])
    assert (await call(f"POST {path}/outcomes", {"response": "chatcmpl-1", "outcome": 1}, **here))["taken"]
    assert (await call(f"GET {path}", **here))["arms"]["canary"]["good"] == 1
    await call(f"GET {path}/page", **here)
    assert (await call(f"POST {path}/stop", {"reason": "seen"}, **here))["state"] == "stopped"
    card = "/api/adapters/{name}/versions/{number}/card"
    assert (await call(f"POST {card}", {"contact": "ann"}, name="coach", number="2"))["contact"] == "ann"
    await call(f"GET {card}", name="coach", number="2")
    word = {"alias": "gold", "version": 2}
    assert (await call("POST /api/adapters/{name}/aliases", word, name="coach"))["aliases"]["gold"] == 2
    await call("GET /api/adapters/{name}/versions/{number}/archive", name="coach", number="2")
    papers_of(registry).export("coach@gold", folder / "coach.tar")
    assert (await call("POST /api/adapters", (folder / "coach.tar").read_bytes()))["version"] == 2
    end = {"version": 2, "at": 4e9, "successor": "coach@1"}
    await call("POST /api/adapters/{name}/retire", end, name="coach")


async def _use_connections(call: Callable[..., Awaitable[dict[str, Any]]]) -> None:
    """Connect an account as a person does in a browser; the client keeps the cookie."""
    asked = await call("POST /api/oauth/connections", {"persona": "clerk", "secret": "app"})
    page = await call("GET /api/oauth/start", connect=asked["id"])
    (address,) = re.findall(r'href="([^"]+)"', page["page"])
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(unescape(address))).headers["location"]
    await call("GET /api/oauth/callback", **dict(parse_qsl(urlsplit(back).query)))
    assert (await call("GET /api/oauth/connections"))["data"]
    await call("DELETE /api/oauth/connections/{secret}", secret="app")


async def _use_hooks(call: Callable[..., Awaitable[dict[str, Any]]], gateway: Gateway) -> None:
    """Ask every address of hooks; a callback that was given up may be tried again."""
    gateway.engine.will("A summary.")
    body = {"delivery": "event-0001", "input": "Sum up.", "callback_url": "https://crm.example/answers"}
    job = (await call("POST /api/hooks/{persona}", body, persona="caller"))["id"]
    await call("GET /api/hooks/jobs")
    while (await call("GET /api/hooks/jobs/{job_id}", job_id=job))["state"] != "done":
        await anyio.sleep(0.02)
    _, callback = gateway.services.hooks.store.get(job)
    assert callback is not None
    gateway.services.hooks.store.undelivered(callback, None, None)
    await call("POST /api/hooks/jobs/{job_id}/retry", job_id=job)


async def _use_evals(call: Callable[..., Awaitable[dict[str, Any]]], gateway: Gateway) -> None:
    """Evaluate a persona without adapter, look at it, and cancel another one."""
    one = {"name": "hi", "cases": [{"prompt": "Hi", "expected": "Ho"}], "graders": [{"kind": "exact"}]}
    spec = {"name": "greeting", "persona": "plain", "sets": [one]}
    made = (await call("POST /api/evals", {"spec": spec}))["id"]
    while (await call("GET /api/evals/{eval_id}", eval_id=made))["state"] != "done":
        await anyio.sleep(0.05)
    assert (await call("GET /api/evals"))["data"]
    assert (await call("GET /api/evals/{eval_id}/report", eval_id=made))["metrics"]
    await call("GET /api/evals/{eval_id}/page", eval_id=made)
    gateway.engine.will(Reply(hangs_after=0))
    other = (await call("POST /api/evals", {"spec": {**spec, "seed": 1}}))["id"]
    await call("POST /api/evals/{eval_id}/cancel", eval_id=other)


async def _use_uploads(call: Callable[..., Awaitable[dict[str, Any]]]) -> None:
    """Ask every address of files and vector stores."""
    store_path, shares = "/v1/vector_stores/{vector_store_id}", "/api/vector_stores/{vector_store_id}/shares"
    file = (await call("POST /v1/files"))["id"]
    await call("GET /v1/files", purpose="assistants")
    await call("GET /v1/files/{file_id}", file_id=file)
    await call("GET /v1/files/{file_id}/content", file_id=file)
    expiry = {"anchor": "last_active_at", "days": 3}
    store = (await call("POST /v1/vector_stores", {"name": "Cats", "expires_after": expiry}))["id"]
    here = {"vector_store_id": store}
    await call("GET /v1/vector_stores")
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    added = {"file_id": file, "attributes": {"age": 3}, "chunking_strategy": static}
    await call(f"POST {store_path}/files", added, **here)
    batch = (await call(f"POST {store_path}/file_batches", {"file_ids": [file]}, **here))["id"]
    while (await call(f"GET {store_path}", **here))["status"] == "in_progress":
        await anyio.sleep(0.02)
    await call(f"POST {store_path}", {"name": "Dogs"}, **here)
    await call(f"GET {store_path}/file_batches/{{batch_id}}", **here, batch_id=batch)
    await call(f"GET {store_path}/file_batches/{{batch_id}}/files", **here, batch_id=batch)
    await call(f"POST {store_path}/file_batches/{{batch_id}}/cancel", **here, batch_id=batch)
    assert (await call(f"POST {store_path}/search", {"query": "a cat"}, **here))["data"]
    await call(f"GET {store_path}/files", **here)
    await call(f"GET {store_path}/files/{{file_id}}", **here, file_id=file)
    await call(f"POST {store_path}/files/{{file_id}}", {"attributes": {"age": 4}}, **here, file_id=file)
    await call(f"GET {store_path}/files/{{file_id}}/content", **here, file_id=file)
    await call(f"POST {shares}", {"reader": "everyone"}, **here)
    await call(f"GET {shares}", **here)
    await call(f"DELETE {shares}/{{reader}}", **here, reader="everyone")
    await call(f"DELETE {store_path}/files/{{file_id}}", **here, file_id=file)
    await call(f"DELETE {store_path}", **here)
    await call("DELETE /v1/files/{file_id}", file_id=file)


async def _use_fine_tuning(call: Callable[..., Awaitable[dict[str, Any]]], gateway: Gateway) -> None:
    """Ask every address of fine-tuning jobs."""
    jobs = "/v1/fine_tuning/jobs"
    row = json.dumps({"messages": [QUESTION, {"role": "assistant", "content": "At nine."}]}).encode()
    client = gateway.openai(gateway.secret("admin"))
    file = await client.files.create(file=("talks.jsonl", row), purpose="fine-tune")
    job = (await call(f"POST {jobs}", {"model": "plain", "training_file": file.id}))["id"]
    await call(f"GET {jobs}", limit="1")
    await call(f"GET {jobs}/{{job_id}}", job_id=job)
    await call(f"GET {jobs}/{{job_id}}/events", job_id=job)
    await call(f"GET {jobs}/{{job_id}}/checkpoints", job_id=job)
    await call(f"POST {jobs}/{{job_id}}/pause", job_id=job)
    await call(f"POST {jobs}/{{job_id}}/resume", job_id=job)
    await call(f"POST {jobs}/{{job_id}}/cancel", job_id=job)


async def test_every_frame_of_a_stream_fits_the_document(surface: Surface) -> None:
    calls = Reply(text="Wait.", tool_calls=(("weather", '{"city": "Oslo"}'),))
    surface.gateway.engine.will("It opens at nine [1].", calls)
    frames = []
    async with surface.gateway.http() as http:
        for fields in (
            {"model": "librarian", "repertory": {"include": True}},
            {"model": "plain", "tools": [WEATHER]},
        ):
            more = {"stream": True, "stream_options": {"include_usage": True}, "logprobs": True}
            text = (await http.post("/v1/chat/completions", json={"messages": [QUESTION], **fields, **more})).text
            frames += [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    schema = {"$ref": "#/components/schemas/ChatCompletionChunk"}
    assert len(frames) > 10
    assert [surface.misfits(frame, schema) for frame in frames] == [[]] * len(frames)


async def test_every_refusal_fits_the_document_and_no_address_forgets_its_guard(surface: Surface) -> None:
    weak = surface.gateway.secret("weak", Scope.CHAT)
    async with surface.gateway.http() as nobody, surface.gateway.http(authorization=f"Bearer {weak}") as chatter:
        for key, row in OPERATIONS.items():
            method, template = key.split(" ")
            url = re.sub(r"\{\w+\}", "nothing", template)
            body = {"made_up": 1} if row.body else None
            anonymous = await nobody.request(method, url, json=body)
            keyed = await chatter.request(method, url, json=body)
            assert [surface.problems(one, key) for one in (anonymous, keyed)] == [[], []]
            if template.startswith("/api") and not row.browser:
                assert (key, anonymous.status_code) == (key, 401)
            if row.scope not in (None, Scope.CHAT) and not row.open_locally:
                assert (key, keyed.status_code) == (key, 403)
            if row.body and row.open_locally:
                assert (key, anonymous.status_code) == (key, 400)
        foreign = await nobody.get("/openapi.json", headers={"host": "evil.example"})
    assert foreign.status_code == 403


async def test_where_keys_are_needed_the_document_needs_one_too(surface: Surface) -> None:
    gate = replace(surface.gateway.services.gate, open_to_programs=False)
    services = replace(surface.gateway.services, gate=gate)
    guarded = replace(surface.gateway, app=create_app(services), services=services)
    async with guarded.http() as nobody, guarded.admin() as admin:
        assert (await nobody.get("/openapi.json")).status_code == 401
        assert (await admin.get("/openapi.json")).status_code == 200


def _reference() -> str:
    return DOCS.read_text()


def test_the_http_reference_has_every_address_and_no_other() -> None:
    headings = re.findall(r"^### `([A-Z]+ /[^`]*)`$", _reference(), flags=re.MULTILINE)
    assert sorted(headings) == sorted(OPERATIONS)


def test_the_http_reference_names_every_parameter_scope_and_code_that_it_should() -> None:
    text = _reference()
    sections = dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    for key, row in OPERATIONS.items():
        told = set(re.findall(r"`([^`]+)`", sections[key]))
        wanted = set(row.body.model_fields if row.body else ()) | {*row.query, *row.headers}
        assert (key, wanted - told) == (key, set())
        assert (key, row.scope is None or row.scope.value in told) == (key, True)
    assert document_of([], "0")["components"]["schemas"]["Error"]
