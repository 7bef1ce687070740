"""The gateway as a process of its own, started as a user starts it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gateway_parts import PLAIN, Gateway, answered, gateway, resident_mb, upstream

MOST_MB = 150
pytestmark = pytest.mark.timeout(600)  # the embedder loads torch before the gateway answers


@pytest.fixture(scope="module")
def served() -> Iterator[Gateway]:
    with (
        tempfile.TemporaryDirectory() as name,
        upstream(Path(name)) as engine,
        gateway(Path(name) / "served", engine) as running,
    ):
        yield running


def test_the_gateway_process_has_no_torch_in_its_memory(served: Gateway) -> None:
    mapped = Path(f"/proc/{served.pid}/maps").read_text()
    assert "orjson" in mapped  # the map does tell which libraries are loaded
    assert not any(name in mapped for name in ("torch", "transformers", "vllm", "sentence_transformers"))


def test_the_gateway_process_stays_small_before_any_index_is_loaded(served: Gateway) -> None:
    body = {"model": PLAIN, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    assert all("[DONE]" in answered(served.port, body) for _ in range(20))
    assert resident_mb(served.pid) < MOST_MB
