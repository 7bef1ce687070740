"""Every address and who may come to it: a new route without a line in this table turns a test red."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from enum import Enum
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from adapters.base import BaseModel
from adapters.registry import Registry
from core.database import Database
from core.principal import Scope
from server.app import create_app
from server.releases import AdapterReleases
from server.rollouts.conduct import conduct_of
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio


class Open(Enum):
    """Who may come where no scope is asked for."""

    ANYONE = "even where keys are needed"
    CALLER = "any key; without one where /v1 is open to programs"
    HOLDER = "any key, always"
    SIGNED = "no key at all, but who signs"
    BROWSER = "no key at all: a person's browser, with a link or a state"


STORE = "/v1/vector_stores/{vector_store_id}"
SHARES = "/api/vector_stores/{vector_store_id}/shares"
ROLLOUT = "/api/rollouts/{rollout_id}"
READS = (Scope.CHAT, Scope.KNOWLEDGE)
RULES: dict[tuple[str, str], Scope | Open | tuple[Scope, ...]] = {
    ("GET", "/livez"): Open.ANYONE,
    ("GET", "/readyz"): Open.ANYONE,
    ("GET", "/v1/models"): Open.CALLER,
    ("GET", "/v1/models/{model}"): Open.CALLER,
    ("GET", "/v1/files/{file_id}/content"): READS,
    ("POST", "/v1/files"): Scope.KNOWLEDGE,
    ("GET", "/v1/files"): Scope.KNOWLEDGE,
    ("GET", "/v1/files/{file_id}"): Scope.KNOWLEDGE,
    ("DELETE", "/v1/files/{file_id}"): Scope.KNOWLEDGE,
    ("POST", "/v1/vector_stores"): Scope.KNOWLEDGE,
    ("GET", "/v1/vector_stores"): Scope.KNOWLEDGE,
    ("GET", STORE): Scope.KNOWLEDGE,
    ("POST", STORE): Scope.KNOWLEDGE,
    ("DELETE", STORE): Scope.KNOWLEDGE,
    ("POST", f"{STORE}/search"): Scope.KNOWLEDGE,
    ("POST", f"{STORE}/files"): Scope.KNOWLEDGE,
    ("GET", f"{STORE}/files"): Scope.KNOWLEDGE,
    ("GET", f"{STORE}/files/{{file_id}}"): Scope.KNOWLEDGE,
    ("POST", f"{STORE}/files/{{file_id}}"): Scope.KNOWLEDGE,
    ("GET", f"{STORE}/files/{{file_id}}/content"): Scope.KNOWLEDGE,
    ("DELETE", f"{STORE}/files/{{file_id}}"): Scope.KNOWLEDGE,
    ("POST", f"{STORE}/file_batches"): Scope.KNOWLEDGE,
    ("GET", f"{STORE}/file_batches/{{batch_id}}"): Scope.KNOWLEDGE,
    ("POST", f"{STORE}/file_batches/{{batch_id}}/cancel"): Scope.KNOWLEDGE,
    ("GET", f"{STORE}/file_batches/{{batch_id}}/files"): Scope.KNOWLEDGE,
    ("GET", SHARES): Scope.KNOWLEDGE,
    ("POST", SHARES): Scope.KNOWLEDGE,
    ("DELETE", f"{SHARES}/{{reader}}"): Scope.KNOWLEDGE,
    ("POST", "/v1/fine_tuning/jobs"): Scope.ADAPTERS,
    ("GET", "/v1/fine_tuning/jobs"): Scope.ADAPTERS,
    ("GET", "/v1/fine_tuning/jobs/{job_id}"): Scope.ADAPTERS,
    ("POST", "/v1/fine_tuning/jobs/{job_id}/cancel"): Scope.ADAPTERS,
    ("POST", "/v1/fine_tuning/jobs/{job_id}/pause"): Scope.ADAPTERS,
    ("POST", "/v1/fine_tuning/jobs/{job_id}/resume"): Scope.ADAPTERS,
    ("GET", "/v1/fine_tuning/jobs/{job_id}/events"): Scope.ADAPTERS,
    ("GET", "/v1/fine_tuning/jobs/{job_id}/checkpoints"): Scope.ADAPTERS,
    ("POST", "/v1/chat/completions"): Scope.CHAT,
    ("POST", "/v1/embeddings"): Scope.KNOWLEDGE,
    ("GET", "/openapi.json"): Open.CALLER,
    ("GET", "/metrics"): Scope.ADMIN,
    ("GET", "/metrics/engine/{number}"): Scope.ADMIN,
    ("GET", "/api/personas"): Open.HOLDER,
    ("GET", "/api/usage"): Open.HOLDER,
    ("GET", "/api/knowledge/stores"): Scope.KNOWLEDGE,
    ("POST", "/api/knowledge/search"): Scope.KNOWLEDGE,
    ("GET", "/api/approvals"): Scope.APPROVE,
    ("GET", "/api/actions/calls"): Scope.APPROVE,
    ("POST", "/api/oauth/connections"): Scope.CHAT,
    ("GET", "/api/oauth/connections"): Scope.CHAT,
    ("DELETE", "/api/oauth/connections/{secret}"): Scope.CHAT,
    ("GET", "/api/oauth/start"): Open.BROWSER,
    ("GET", "/api/oauth/callback"): Open.BROWSER,
    ("POST", "/api/approvals/{approval_id}"): Scope.APPROVE,
    ("POST", "/api/hooks/{persona}"): Open.SIGNED,
    ("GET", "/api/hooks/jobs"): Scope.ADMIN,
    ("GET", "/api/hooks/jobs/{job_id}"): Scope.ADMIN,
    ("POST", "/api/hooks/jobs/{job_id}/retry"): Scope.ADMIN,
    ("POST", "/api/evals"): Scope.ADAPTERS,
    ("GET", "/api/evals"): Scope.ADAPTERS,
    ("GET", "/api/evals/{eval_id}"): Scope.ADAPTERS,
    ("GET", "/api/evals/{eval_id}/report"): Scope.ADAPTERS,
    ("GET", "/api/evals/{eval_id}/page"): Scope.ADAPTERS,
    ("POST", "/api/evals/{eval_id}/cancel"): Scope.ADAPTERS,
    ("GET", "/api/mcp/servers"): Scope.ADMIN,
    ("GET", "/api/mcp/servers/{name}"): Scope.ADMIN,
    ("POST", "/api/mcp/servers/{name}/accept"): Scope.ADMIN,
    ("GET", "/api/adapters"): Scope.ADAPTERS,
    ("GET", "/api/adapters/{name}"): Scope.ADAPTERS,
    ("POST", "/api/adapters/{name}/use"): Scope.ADAPTERS,
    ("POST", "/api/adapters/{name}/rollback"): Scope.ADAPTERS,
    ("POST", "/api/adapters/{name}/versions/{number}/approve"): Scope.ADAPTERS,
    ("GET", "/api/adapters/{name}/versions/{number}/card"): Scope.ADAPTERS,
    ("POST", "/api/adapters/{name}/versions/{number}/card"): Scope.ADAPTERS,
    ("POST", "/api/adapters/{name}/aliases"): Scope.ADAPTERS,
    ("GET", "/api/adapters/{name}/versions/{number}/archive"): Scope.ADAPTERS,
    ("POST", "/api/adapters"): Scope.ADAPTERS,
    ("POST", "/api/adapters/{name}/retire"): Scope.ADAPTERS,
    ("GET", "/api/rollouts"): Scope.ADAPTERS,
    ("POST", "/api/rollouts"): Scope.ADAPTERS,
    ("GET", ROLLOUT): Scope.ADAPTERS,
    ("GET", f"{ROLLOUT}/page"): Scope.ADAPTERS,
    ("POST", f"{ROLLOUT}/advance"): Scope.ADAPTERS,
    ("POST", f"{ROLLOUT}/pause"): Scope.ADAPTERS,
    ("POST", f"{ROLLOUT}/resume"): Scope.ADAPTERS,
    ("POST", f"{ROLLOUT}/stop"): Scope.ADAPTERS,
    ("POST", f"{ROLLOUT}/outcomes"): Scope.ADAPTERS,
    ("GET", "/api/transcripts"): Scope.CHAT,
    ("GET", "/api/transcripts/{transcript_id}"): Scope.CHAT,
    ("DELETE", "/api/transcripts"): Scope.CHAT,
    ("POST", "/api/feedback"): Scope.CHAT,
    ("GET", "/api/feedback"): Scope.CHAT,
    ("GET", "/api/keys"): Scope.ADMIN,
    ("POST", "/api/keys"): Scope.ADMIN,
    ("PATCH", "/api/keys/{name}"): Scope.ADMIN,
    ("DELETE", "/api/keys/{name}"): Scope.ADMIN,
}
KEYLESS = {Open.ANYONE, Open.BROWSER}
OPEN_WITHOUT_KEY = {Open.ANYONE, Open.CALLER, Scope.CHAT, Scope.KNOWLEDGE, READS}
"""Under `/v1` of a gateway on loopback."""


def whole(gateway: Gateway, tmp_path: Path) -> FastAPI:
    """Return the application with every route that `repertory serve` gives it."""

    def base() -> BaseModel:
        raise AssertionError("no test of rights loads a model")

    database = Database(tmp_path / "repertory.db")
    registry = Registry(database, tmp_path / "adapters")
    releases = AdapterReleases(registry, base)
    conduct = conduct_of(database, registry, releases)
    services = replace(gateway.services, releases=releases, rollouts=conduct)
    return create_app(services, registry)


@pytest.fixture
async def closed(start: Start, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with start(require_keys=True) as gateway:
        yield replace(gateway, app=whole(gateway, tmp_path))


async def knock(http: httpx.AsyncClient, address: tuple[str, str], secret: str | None) -> int:
    """Return the status of a request that asks for nothing sensible."""
    method, path = address
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    filled = re.sub(r"\{\w+\}", "0", path)
    body: dict[str, str] | None = {} if method in ("POST", "PATCH") else None
    return (await http.request(method, filled, headers=headers, json=body)).status_code


async def test_every_route_has_a_rule_and_every_rule_a_route(closed: Gateway) -> None:
    strange = [route for route in closed.app.routes if not isinstance(route, APIRoute)]
    routes = {(m, route.path) for route in closed.app.routes if isinstance(route, APIRoute) for m in route.methods}
    assert strange == []
    assert routes == set(RULES)


async def test_each_scope_opens_its_addresses_and_no_others(closed: Gateway) -> None:
    wrong = {}
    async with closed.http() as http:
        for scope in Scope:
            secret = closed.secret(scope.value, scope)
            for address, rule in RULES.items():
                status = await knock(http, address, secret)
                wanted = rule if isinstance(rule, tuple) else (rule,)
                may = isinstance(rule, Open) or scope in (*wanted, Scope.ADMIN)
                unsigned = rule is Open.SIGNED
                if (status == 401) != unsigned or (status == 403) == may or status == 500:
                    wrong[scope, address] = status
    assert wrong == {}


async def test_without_a_live_key_only_health_answers_where_keys_are_needed(closed: Gateway) -> None:
    gone = closed.secret("gone", Scope.ADMIN)
    closed.services.keys.revoke("gone")
    async with closed.http() as http:
        for secret in (None, "EMPTY", "rep-wrong", gone):
            wrong = {
                address: status
                for address, rule in RULES.items()
                if ((status := await knock(http, address, secret)) == 401) == (rule in KEYLESS)
            }
            assert wrong == {}


async def test_on_loopback_a_program_without_a_key_reaches_v1_and_nothing_of_the_api(
    gateway: Gateway, tmp_path: Path
) -> None:
    opened, wrong = replace(gateway, app=whole(gateway, tmp_path)), {}
    async with opened.http() as http:
        for address, rule in RULES.items():
            status = await knock(http, address, None)
            may = (
                address[1].startswith("/metrics")
                or rule is Open.BROWSER
                or (rule in OPEN_WITHOUT_KEY and not address[1].startswith("/api/"))
            )
            if status == 403 or (status == 401) == may:
                wrong[address] = status
    assert wrong == {}
