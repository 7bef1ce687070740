"""Adapter versions change under traffic."""

import asyncio
from pathlib import Path

import httpx
import pytest

from server.engine.admin import EngineAdmin
from server.engine.process import runtime_dir
from tests.engine.adapters import write_random_adapter
from tests.engine.server import RunningServer, repertory_cli

pytestmark = pytest.mark.anyio

QUESTION = [{"role": "user", "content": "Hello"}]


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
    _use(server, "alpha", 1, override=True, reason="a trial")
    folder = write_random_adapter(tmp_path / "second", base_dir, seed=77)
    repertory_cli(server, "adapter", "import", str(folder), "--name", "alpha")
    answers: list[tuple[float, dict[str, float]]] = []
    flips: list[float] = []
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as http:
        fingerprints = await _fingerprints(server)

        async def chat() -> None:
            while len(flips) < 4:
                began = asyncio.get_running_loop().time()
                answers.append((began, await _first_token(http)))

        async with asyncio.TaskGroup() as traffic:
            for _ in range(3):
                traffic.create_task(chat())
            for version in (2, 1, 2):
                body = {"version": version, "override": True, "reason": "a trial"}
                used = await http.post("/api/adapters/alpha/use", json=body, headers=server.admin)
                assert used.status_code == 200, used.text
                flips.append(asyncio.get_running_loop().time())
                await _first_token(http)
            back = await http.post("/api/adapters/alpha/rollback", json={"reason": "x"}, headers=server.admin)
            assert back.json()["version"] == 1
            flips.append(asyncio.get_running_loop().time())
        after = await _first_token(http)
    assert _which(after, fingerprints) == 1
    assert len(answers) >= 6
    for began, answer in answers:
        version = _which(answer, fingerprints)
        flipped = sum(began > flip for flip in flips)
        assert version in {(1, 2, 1, 2, 1)[flipped], (1, 2, 1, 2, 1)[min(flipped + 1, 4)]}


async def _first_token(http: httpx.AsyncClient) -> dict[str, float]:
    body = {"model": "trial", "messages": QUESTION, "max_tokens": 1, "temperature": 0}
    body |= {"logprobs": True, "top_logprobs": 5}
    response = await http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    content = response.json()["choices"][0]["logprobs"]["content"][0]
    return {one["token"]: one["logprob"] for one in content["top_logprobs"]}


async def _fingerprints(server: RunningServer) -> dict[int, dict[str, float]]:
    """Return each version's own candidates, asked of the engine itself."""
    socket = runtime_dir(server.data_dir) / "engine.sock"
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as http:
        admin = EngineAdmin(http)
        messages = [{"role": "system", "content": "You answer."}, *QUESTION]
        return {v: (await admin.probe(f"alpha@{v}", messages)).logprobs for v in (1, 2)}


def _which(answer: dict[str, float], fingerprints: dict[int, dict[str, float]]) -> int:
    gaps = {
        version: max(abs(value - print_[token]) if token in print_ else 9.0 for token, value in answer.items())
        for version, print_ in fingerprints.items()
    }
    assert min(gaps.values()) < 0.05, gaps
    assert max(gaps.values()) > 0.1, gaps
    return min(gaps, key=lambda version: gaps[version])


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
