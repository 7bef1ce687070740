"""A vLLM that somebody else runs without our plug-in: what it gets wrong, and what we then serve."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.engine.conftest import RANDOM_ADAPTERS
from tests.engine.mixing import TOLERANCE, Differences, measure
from tests.engine.server import NO_IDLING, plain_vllm, repertory

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def plain(base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    slots = str(len(RANDOM_ADAPTERS))
    arguments = ["--enable-lora", "--max-loras", slots, "--max-cpu-loras", slots, "--dtype", "float32"]
    arguments += ["--max-model-len", "4096", "--max-num-batched-tokens", "512"]
    with plain_vllm(base_dir, tmp_path_factory.mktemp("plain") / "vllm.log", *arguments) as url:
        yield url


async def test_the_measurement_of_isolation_fails_with_the_operators_of_vllm(
    plain: str, adapter_folders: dict[str, Path]
) -> None:
    async with httpx.AsyncClient(base_url=plain, timeout=300, limits=NO_IDLING) as http:
        for name, folder in adapter_folders.items():
            body = {"lora_name": f"{name}@1", "lora_path": str(folder)}
            (await http.post("/v1/load_lora_adapter", json=body)).raise_for_status()
        models = ["base", *(f"{name}@1" for name in RANDOM_ADAPTERS)]
        differences = await measure(http, models, enough=_leaks)
    assert _leaks(differences), differences


def _leaks(differences: Differences) -> bool:
    """Tell whether the base, not only an adapter, speaks with another's weights."""
    return max(differences.worst.values()) > TOLERANCE and differences.of_base > 10 * TOLERANCE


def test_without_the_plug_in_only_personas_without_adapter_answer(plain: str, tmp_path: Path) -> None:
    with repertory(tmp_path / "data", {"REPERTORY_ENGINE_URL": plain}) as server:
        server.wait_ready()
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        question = [{"role": "user", "content": "What do you help with?"}]
        answer = client.chat.completions.create(model="compliance-guide", messages=question, max_tokens=4)  # type: ignore[arg-type]
        assert answer.choices[0].message.content
        with pytest.raises(openai.InternalServerError) as refused:
            client.chat.completions.create(model="support-agent", messages=question, max_tokens=4)  # type: ignore[arg-type]
        assert refused.value.status_code == 503
        assert "lacks the Repertory plug-in" in refused.value.message
        client.close()
