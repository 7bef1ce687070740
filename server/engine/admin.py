"""The administration half of the engine: the handshake with our plug-in, and its adapters.

Talks to the routes of `adapters.plugin.routes`. Knows no persona and no database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import Conflict, NotFound, Unavailable, UpstreamFailed

PLUGIN_VERSION = "1"
"""The plug-in that this gateway was written for; `adapters.plugin.environment` says the same."""

ENGINE_UNAVAILABLE = "engine_unavailable"
"""Code of the error that means: the engine itself is away, whatever was asked of it."""

_CPU_OPERATORS = "GroupedPunicaWrapper"
_TOKEN_COUNTERS = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")


class WorkerReport(BaseModel):
    """State of one worker of the engine."""

    operators: str
    slots: list[int | None]
    resident: list[int]
    pinned: list[int]


class Handshake(BaseModel):
    """What the plug-in proves of itself at start-up."""

    model_config = ConfigDict(extra="ignore")

    plugin: str
    vllm: str
    device: str
    resolver: bool
    lora: bool
    workers: list[WorkerReport]

    def refusal(self) -> str | None:
        """Return why adapters cannot be served by this engine, or None when they can."""
        if self.plugin != PLUGIN_VERSION:
            return f"its plug-in has version {self.plugin!r}, this server needs {PLUGIN_VERSION!r}"
        if not self.lora:
            return "it was started without --enable-lora"
        if not self.resolver:
            return f"its resolver is not active (vLLM {self.vllm}); is VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 set?"
        if self.device == "cpu" and any(w.operators != _CPU_OPERATORS for w in self.workers):
            return "its CPU LoRA operators are vLLM's own, which mix up adapters"
        return None


class ResidentAdapter(BaseModel):
    """An adapter version in the engine's memory, and its slot in the running batch, if it has one."""

    name: str
    slot: int | None
    pinned: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """The engine's answer to a probe: the first token's candidates with their log-probabilities."""

    logprobs: dict[str, float]


class EngineAdmin:
    """Asks one engine about its adapters.

    Args:
        http: a client whose base URL is the engine.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def healthy(self) -> bool:
        """Tell whether the engine answers."""
        try:
            return (await self._http.get("/health", timeout=5)).is_success
        except httpx.HTTPError:
            return False

    async def computes(self, model: str, seconds: float) -> bool:
        """Tell whether the engine still computes: it answers with one token, or is busy with what others asked.

        Args:
            model: engine name of the base model.
            seconds: how long it may take over that token without getting on with anything.
        """
        before = await self._tokens()
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        try:
            await self._http.post("/v1/chat/completions", json=body, timeout=seconds)
        except httpx.TimeoutException:
            return await self._tokens() != before
        except httpx.HTTPError:
            pass  # it is gone, which others see
        return True

    async def _tokens(self) -> float:
        """Return how many tokens it has read and written in its life; 0 if it does not say."""
        try:
            lines = (await self._ask("GET", "/metrics", timeout=5)).text.splitlines()
        except Unavailable:
            return 0.0
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(_TOKEN_COUNTERS))

    async def handshake(self) -> Handshake | None:
        """Return what the plug-in proves of itself, or None where there is no plug-in.

        Raises:
            Unavailable: the engine is away, or does not take our key.
            UpstreamFailed: what answers is no plug-in that we know.
        """
        response = await self._ask("GET", "/v1/repertory/handshake")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Unavailable(
                "The engine does not take this server's key. Set REPERTORY_ENGINE_API_KEY to the key that vLLM "
                "was started with.",
                code="engine_key_refused",
                retry_after=30,
            )
        try:
            return Handshake.model_validate_json(response.content)
        except ValidationError as error:
            raise UpstreamFailed("The engine's plug-in answered something else. Update it.") from error

    async def model_names(self) -> list[str]:
        """Return the names under which the engine serves its base model."""
        response = await self._ask("GET", "/v1/models")
        cards = response.raise_for_status().json()["data"]
        return [card["id"] for card in cards if not card.get("parent")]

    async def residents(self) -> list[ResidentAdapter]:
        """Return the adapters in memory; none where the plug-in cannot tell."""
        response = await self._ask("GET", "/v1/repertory/adapters", timeout=5)
        if not response.is_success:
            return []
        return [ResidentAdapter.model_validate(one) for one in response.json()["adapters"]]

    async def metrics(self) -> bytes:
        """Return the engine's own metrics, as it writes them.

        Raises:
            Unavailable: it is away.
            UpstreamFailed: it has none.
        """
        response = await self._ask("GET", "/metrics", timeout=10)
        if not response.is_success:
            raise UpstreamFailed("The engine shows no metrics of its own.", code="engine_metrics_missing")
        return response.content

    async def load(self, name: str) -> None:
        """Load an adapter version into memory.

        Raises:
            NotFound: the engine's resolver does not serve it.
            UpstreamFailed: it was found and could not be loaded.
        """
        response = await self._ask("POST", f"/v1/repertory/adapters/{name}", timeout=300)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(
                f"The engine finds no valid adapter {name!r} in its registry folder. "
                "Check its files with `repertory adapter show`, or import it again.",
                code="adapter_not_served",
            )
        if not response.is_success:
            raise UpstreamFailed(
                f"The engine could not load {name!r}: {_message(response)}", code="adapter_load_failed"
            )

    async def set_pinned(self, name: str, pinned: bool) -> None:
        """Keep a loaded version in memory, or let it go.

        Raises:
            Conflict: memory has no room for one more pinned version.
        """
        response = await self._ask("POST" if pinned else "DELETE", f"/v1/repertory/adapters/{name}/pin")
        if not response.is_success and (pinned or response.status_code != httpx.codes.NOT_FOUND):
            raise Conflict(_message(response), code="adapter_not_pinned")

    async def remove(self, name: str) -> None:
        """Remove a version from memory; one that is not there is no error."""
        await self._ask("DELETE", f"/v1/repertory/adapters/{name}")

    async def probe(self, model: str, messages: Sequence[dict[str, str]]) -> Probe:
        """Return the candidates for the first token of an answer."""
        response = await self._ask(
            "POST",
            "/v1/chat/completions",
            timeout=300,
            json={
                "model": model,
                "messages": list(messages),
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": 20,
            },
        )
        if not response.is_success:
            raise UpstreamFailed(f"The engine did not answer as {model!r}: {_message(response)}")
        content = response.json()["choices"][0]["logprobs"]["content"]
        candidates = content[0]["top_logprobs"] if content else []
        return Probe({candidate["token"]: float(candidate["logprob"]) for candidate in candidates})

    async def likelihood(self, model: str, text: str) -> list[float]:
        """Return the log-probability of each token of `text` but the first, in nats.

        Raises:
            UpstreamFailed: the engine does not tell.
        """
        body = {"model": model, "prompt": text, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
        response = await self._ask("POST", "/v1/completions", timeout=300, json=body)
        if not response.is_success:
            raise UpstreamFailed(f"The engine did not weigh a text as {model!r}: {_message(response)}")
        told = response.json()["choices"][0].get("prompt_logprobs") or []
        return [
            next(iter(one.values()))["logprob"] for one in told if one
        ]  # with 0, only the token itself is told

    async def _ask(self, method: str, path: str, *, timeout: float = 60, json: object = None) -> httpx.Response:
        try:
            return await self._http.request(method, path, timeout=timeout, json=json)
        except httpx.HTTPError as error:
            raise Unavailable(
                "The engine does not answer. It is being restarted, or its address is wrong.",
                code=ENGINE_UNAVAILABLE,
                retry_after=5,
            ) from error


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]
