"""Adapter versions change under traffic."""

from pathlib import Path

import httpx
import pytest

from server.engine.process import runtime_dir
from tests.engine.adapters import write_random_adapter
from tests.engine.flipping import Flip, ask, fingerprints, flipped, judged, traffic
from tests.engine.server import NO_IDLING, RunningServer, repertory_cli

pytestmark = pytest.mark.anyio

FLIPS = (2, 1) * 14 + (2,)
"""The last one is rolled back; `make bench` makes a thousand."""


def _use(server: RunningServer, name: str, version: int, **body: object) -> httpx.Response:
    return httpx.post(
        f"{server.url}/api/adapters/{name}/use",
        json={"version": version, **body},
        headers=server.admin,
        timeout=120,
    )


def test_an_ungated_version_needs_an_override_that_is_recorded(server: RunningServer) -> None:
    refused = _use(server, "alpha", 1)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "override_needed"
    taken = _use(server, "alpha", 1, override=True, reason="a trial")
    assert taken.status_code == 200, taken.text
    shown = httpx.get(f"{server.url}/api/adapters/alpha", headers=server.admin, timeout=30).json()
    last = shown["history"][-1]
    assert (last["to"], last["override"], last["reason"]) == ("production", True, "a trial")


def test_a_version_without_effect_is_refused_after_its_probe(
    server: RunningServer, base_dir: Path, tmp_path: Path
) -> None:
    folder = write_random_adapter(tmp_path / "silent", base_dir, seed=9, strength=1e-9)
    repertory_cli(server, "adapter", "import", str(folder), "--name", "silent")
    refused = _use(server, "silent", 1, override=True, reason="a trial")
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "adapter_without_effect"


async def test_versions_flip_under_traffic_without_a_failed_or_stale_answer(
    server: RunningServer, base_dir: Path, tmp_path: Path
) -> None:
    folder = write_random_adapter(tmp_path / "second", base_dir, seed=77)
    repertory_cli(server, "adapter", "import", str(folder), "--name", "alpha")
    socket = httpx.AsyncHTTPTransport(uds=str(runtime_dir(server.data_dir) / "engine.sock"), limits=NO_IDLING)
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=120) as http,
        httpx.AsyncClient(transport=socket, base_url="http://engine", timeout=120) as engine,
    ):
        known = await fingerprints(engine, "alpha", "You answer.", (1, 2))

        async def use(version: int) -> httpx.Response:
            body = {"version": version, "override": True, "reason": "a trial"}
            return await http.post("/api/adapters/alpha/use", json=body, headers=server.admin)

        async def back(version: int) -> httpx.Response:
            return await http.post("/api/adapters/alpha/rollback", json={"reason": "x"}, headers=server.admin)

        async def flip() -> list[Flip]:
            return [*await flipped(use, FLIPS), *await flipped(back, [1])]

        first = await flipped(use, [1])
        flips, answers = await traffic(http, "trial", 3, known, flip)
        verdict = judged([*first, *flips], answers, known)
        after = judged(flips[-1:], [await ask(http, "trial", next(iter(known))[1])], known)
    assert (verdict.failed, verdict.mixed, verdict.stale) == (0, 0, 0), verdict
    assert verdict.good >= len(FLIPS) // 2
    assert after.good == 1


def test_a_removed_adapter_is_really_gone_and_a_pinned_one_says_so(engine: httpx.Client) -> None:
    def resident() -> dict[str, bool]:
        return {one["name"]: one["pinned"] for one in engine.get("/v1/repertory/adapters").json()["adapters"]}

    assert engine.post("/v1/repertory/adapters/gamma@1").status_code == 200
    assert resident()["gamma@1"] is False
    assert engine.post("/v1/repertory/adapters/gamma@1/pin").status_code == 200
    assert resident()["gamma@1"] is True
    assert engine.delete("/v1/repertory/adapters/gamma@1").json()["removed"] is True
    assert "gamma@1" not in resident()
    assert engine.delete("/v1/repertory/adapters/gamma@1").status_code == 404


@pytest.mark.parametrize("name", ["gamma@99", "../gamma@1", "gamma", "Gamma@1"])
def test_the_engine_loads_nothing_that_is_not_registered(engine: httpx.Client, name: str) -> None:
    asked = engine.post("/v1/completions", json={"model": name, "prompt": "x", "max_tokens": 1})
    assert asked.status_code == 404


def test_a_version_whose_files_were_changed_is_not_served(server: RunningServer, engine: httpx.Client) -> None:
    engine.delete("/v1/repertory/adapters/gamma@1")
    weights = server.data_dir / "adapters" / "gamma" / "1" / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        refused = _use(server, "gamma", 1, override=True, reason="a trial")
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "adapter_damaged"
        assert engine.post("/v1/repertory/adapters/gamma@1").status_code == 404
    finally:
        weights.write_bytes(kept)
