"""Archives and aliases over HTTP: a version goes from one server to another without anybody at its disk."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import VersionState
from core.principal import Scope
from tests.fakes.engine import FakeEngine
from tests.server.trial import Trial, trial

pytestmark = pytest.mark.anyio
ARCHIVE = "/api/adapters/coach/versions/1/archive"


@pytest.fixture
async def world(tmp_path: Path, engine: FakeEngine, anyio_backend: str) -> AsyncIterator[Trial]:
    async with trial(tmp_path, engine) as running:
        yield running


async def bring(world: Trial, content: bytes, **fields: Any) -> httpx.Response:
    """Send an archive as another person than the one who has made the version."""
    secret = world.gateway.secret("bob", Scope.ADAPTERS)
    async with world.gateway.http(authorization=f"Bearer {secret}") as http:
        return await http.post("/api/adapters", data=fields, files={"file": ("coach.tar", content)})


async def test_a_version_goes_out_as_an_archive_and_comes_in_under_another_name(world: Trial) -> None:
    sent = await world.call("GET", ARCHIVE)
    assert (sent.status_code, sent.headers["content-type"]) == (200, "application/x-tar")
    assert "coach-1.tar" in sent.headers["content-disposition"]
    taken = await bring(world, sent.content, name="mentor")
    assert taken.status_code == 200, taken.text
    assert (taken.json()["engine_name"], taken.json()["state"]) == ("mentor@1", "trained")
    assert world.registry.get("mentor", 1).digest == world.registry.get("coach", 1).digest
    assert world.registry.history("mentor")[0].by == "key:bob"
    again = await bring(world, sent.content)
    assert again.json()["engine_name"] == "coach@1"  # the same bytes are the same version
    assert world.registry.get("coach", 1).state is VersionState.PRODUCTION


async def test_a_changed_archive_is_refused_and_leaves_nothing(world: Trial) -> None:
    content = bytearray((await world.call("GET", ARCHIVE)).content)
    content[len(content) // 2] ^= 1
    refused = await bring(world, bytes(content), name="mentor")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "archive_damaged")
    strange = await bring(world, bytes(content), nam="mentor")
    assert (strange.status_code, strange.json()["error"]["param"]) == (400, "nam")
    assert world.registry.list("mentor") == []


async def test_no_archive_is_made_of_damaged_files(world: Trial) -> None:
    weights = world.registry.get("coach", 1).path / "adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    refused = await world.call("GET", ARCHIVE)
    assert refused.status_code == 400, refused.text
    assert (await world.call("GET", "/api/adapters/coach/versions/9/archive")).status_code == 404


async def test_an_alias_is_given_moved_and_taken_away(world: Trial) -> None:
    async def alias(**body: Any) -> httpx.Response:
        return await world.call("POST", "/api/adapters/coach/aliases", body)

    assert (await alias(alias="gold", version=1)).json()["aliases"]["gold"] == 1
    assert (await alias(alias="gold", version=2)).json()["aliases"]["gold"] == 2
    assert "gold" not in (await alias(alias="gold")).json()["aliases"]
    assert (await alias(alias="production", version=2)).status_code == 400
    assert (await alias(alias="gold", version=9)).status_code == 404
