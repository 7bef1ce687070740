"""What an answer owes to who else is in the batch: each model's log-probabilities, alone and in company."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

TOLERANCE = 0.05
"""What company may move a log-probability by, in nats."""

BASE = "base"
_TOKENS = 5
_NOT_COMPARABLE = 99.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The tokens of an answer and, for each, the candidates with their log-probabilities."""

    tokens: list[str]
    candidates: list[dict[str, float]]


@dataclass(slots=True)
class Differences:
    """The largest differences to each model's own answer alone, in nats.

    Attributes:
        worst: by phase of the engine.
        of_base: of tokens that the base holds for likely both alone and in company.
    """

    worst: dict[str, float] = field(default_factory=dict)
    of_base: float = 0.0

    def note(
        self, model: str, phase: str, alone: Sequence[dict[str, float]], mixed: Sequence[dict[str, float]]
    ) -> None:
        for one, other in zip(alone, mixed, strict=True):
            common = one.keys() & other.keys()
            gap = max((abs(one[t] - other[t]) for t in common), default=_NOT_COMPARABLE)
            self.worst[phase] = max(self.worst.get(phase, 0.0), gap if len(common) > 1 else _NOT_COMPARABLE)
            if model == BASE and common:
                self.of_base = max(self.of_base, gap)


async def measure(
    http: httpx.AsyncClient, models: Sequence[str], enough: Callable[[Differences], bool] = lambda _: False
) -> Differences:
    """Ask every model alone, then in every mix of two and more while all of the mix are decoding.

    A measurement that has seen `enough` ends after the mix that showed it.

    The engine should have as many slots as adapters are asked: vLLM's own operators leak the last slot,
    which shows only where that slot is in use.
    """
    prompts = {"prefill": _short, "chunked prefill": _long}
    alone = {
        (model, phase): await _ask(http, model, prompt(model), salt="alone")
        for model in models
        for phase, prompt in prompts.items()
    }
    differences = Differences()
    for size in range(2, len(models) + 1):
        for mix in itertools.combinations(models, size):
            async with asyncio.TaskGroup() as company:
                stop = asyncio.Event()
                started = [asyncio.Event() for _ in mix]
                for model, event in zip(mix, started, strict=True):
                    company.create_task(_decode(http, model, event, stop))
                await asyncio.gather(*(event.wait() for event in started))
                salt = "-".join(model.partition("@")[0] for model in mix)
                for phase, prompt in prompts.items():
                    for cache in ("cold", "warm"):
                        asked = [_ask(http, m, prompt(m), salt=salt) for m in mix]
                        answers = dict(zip(mix, await asyncio.gather(*asked), strict=True))
                        _compare(differences, answers, alone, phase, cache)
                stop.set()
            if enough(differences):
                return differences
    return differences


def _compare(
    differences: Differences,
    answers: Mapping[str, Answer],
    alone: Mapping[tuple[str, str], Answer],
    phase: str,
    cache: str,
) -> None:
    for model, answer in answers.items():
        own = alone[model, phase]
        name = phase if cache == "cold" else "warm prefix cache"
        differences.note(model, name, own.candidates[:1], answer.candidates[:1])
        same = 1
        while same < _TOKENS and own.tokens[:same] == answer.tokens[:same]:
            same += 1
        differences.note(model, "decode", own.candidates[1:same], answer.candidates[1:same])


def _short(model: str) -> str:
    return f"Tell me what {model} does on a Tuesday morning."


def _long(model: str) -> str:
    days = " ".join(f"On day {day} the team of {model} moved {day * 7 % 13} boxes." for day in range(45))
    return f"A story of {model}. {days}"


async def _ask(http: httpx.AsyncClient, model: str, prompt: str, *, salt: str) -> Answer:
    response = await http.post(
        "/v1/completions",
        json={
            "model": model,
            "prompt": prompt,
            "max_tokens": _TOKENS,
            "temperature": 0,
            "logprobs": 5,
            "ignore_eos": True,
            "cache_salt": salt,
        },
    )
    response.raise_for_status()
    logprobs = response.json()["choices"][0]["logprobs"]
    return Answer(logprobs["tokens"], logprobs["top_logprobs"])


async def _decode(http: httpx.AsyncClient, model: str, started: asyncio.Event, stop: asyncio.Event) -> None:
    body = {"model": model, "prompt": f"Once upon a time {model}", "max_tokens": 1500, "temperature": 0}
    async with http.stream(
        "POST", "/v1/completions", json={**body, "stream": True, "ignore_eos": True}
    ) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line:
                started.set()
            if stop.is_set():
                return
