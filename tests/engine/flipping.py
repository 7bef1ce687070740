"""Versions that flip under traffic, and whether each answer came wholly from a version that was current.

An answer is told by its fingerprint: the log-probabilities of its first tokens, which random adapters make
unlike each other. All times are those of one event loop.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from tests.engine.mixing import TOLERANCE

QUESTIONS = (
    "Hello",
    "Where does the river go?",
    "Tell me of the mountain.",
    "What is in the box?",
    "Who wrote the letter?",
    "Name a colour.",
)
_FEWEST = 2
TOKENS = 3
_CLEAR = 4 * TOLERANCE
_ASKED = {"max_tokens": TOKENS, "temperature": 0, "logprobs": True, "top_logprobs": 5, "ignore_eos": True}

Print = Sequence[dict[str, float]]
"""For each token of an answer, the candidates with their log-probabilities."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One change of version: when it was asked for, and when the caller was told that it is done."""

    version: int
    asked: float
    done: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what was asked, when, and what came; `prints` is None where it failed."""

    question: str
    began: float
    ended: float
    prints: Print | None
    problem: str = ""


@dataclass(slots=True)
class Verdict:
    """What became of all answers.

    Attributes:
        good: wholly of a version that was current at some moment of the request.
        stale: wholly of a version that was not.
        mixed: of no one version.
        failed: no answer, with the first reason.
        margins: for each flip, seconds from the last request that the version before still answered to the
            moment when `use` had returned; below zero it would have come too late.
    """

    good: int = 0
    stale: int = 0
    mixed: int = 0
    failed: int = 0
    problem: str = ""
    margins: list[float] = field(default_factory=list)


async def fingerprints(
    engine: httpx.AsyncClient, adapter: str, system: str, versions: Sequence[int]
) -> dict[tuple[int, str], Print]:
    """Return each version's answer to each question that tells them apart, asked of the engine itself.

    Each of an answer's tokens must tell the versions apart, or an answer of both would not show; and none
    may be won so closely that company in the batch decides it.

    Raises:
        ValueError: fewer than two questions do.
    """
    found: dict[tuple[int, str], Print] = {}
    for version, question in itertools.product(versions, QUESTIONS):
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        body = {"model": f"{adapter}@{version}", "messages": messages, **_ASKED}
        found[version, question] = prints_of(await engine.post("/v1/chat/completions", json=body))
    clear = [
        question
        for question in QUESTIONS
        if all(_margin(token) > TOLERANCE for version in versions for token in found[version, question])
        and all(
            _gap(a, b) > _CLEAR
            for one, other in itertools.combinations(versions, 2)
            for a, b in zip(found[one, question], found[other, question], strict=True)
        )
    ]
    if len(clear) < _FEWEST:
        raise ValueError(f"the versions {versions} of {adapter!r} answer too much alike: only {clear} tell")
    return {(version, question): print_ for (version, question), print_ in found.items() if question in clear}


def prints_of(response: httpx.Response) -> Print:
    """Return the fingerprint of a whole answer."""
    response.raise_for_status()
    tokens = response.json()["choices"][0]["logprobs"]["content"]
    return [{one["token"]: one["logprob"] for one in token["top_logprobs"]} for token in tokens]


async def traffic(
    gateway: httpx.AsyncClient,
    persona: str,
    clients: int,
    known: Mapping[tuple[int, str], Print],
    flip: Callable[[], Awaitable[list[Flip]]],
) -> tuple[list[Flip], list[Answer]]:
    """Ask the questions of `known` on and on with several clients while `flip` runs, and a little longer."""
    questions = tuple(dict.fromkeys(question for _, question in known))
    answers: list[Answer] = []
    over = asyncio.Event()

    async def client(number: int) -> None:
        for question in itertools.islice(itertools.cycle(questions), number, None):
            answers.append(await ask(gateway, persona, question))
            if over.is_set():
                return

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number))
        flips = await flip()
        over.set()
    return flips, answers


async def flipped(use: Callable[[int], Awaitable[httpx.Response]], versions: Sequence[int]) -> list[Flip]:
    """Let one version after the other answer."""
    done = []
    for version in versions:
        asked = time.monotonic()
        response = await use(version)
        if not response.is_success:
            raise ValueError(response.text)
        done.append(Flip(version, asked, time.monotonic()))
    return done


def judged(flips: Sequence[Flip], answers: Sequence[Answer], known: Mapping[tuple[int, str], Print]) -> Verdict:
    """Judge the answers; the first flip must have been done before the first request."""
    verdict = Verdict()
    last: dict[int, float] = {}
    ends = [*(flip.done for flip in flips[1:]), float("inf")]
    for answer in answers:
        if answer.prints is None:
            verdict.failed += 1
            verdict.problem = verdict.problem or answer.problem
            continue
        version = _which(answer.question, answer.prints, known)
        current = [i for i, flip in enumerate(flips) if flip.asked <= answer.ended and ends[i] >= answer.began]
        if version is None:
            verdict.mixed += 1
        elif not any(flips[i].version == version for i in current):
            verdict.stale += 1
        else:
            verdict.good += 1
            first = next(i for i in current if flips[i].version == version)
            last[first] = max(last.get(first, 0.0), answer.began)
    verdict.margins = [ends[i] - began for i, began in sorted(last.items()) if i < len(flips) - 1]
    return verdict


async def ask(gateway: httpx.AsyncClient, persona: str, question: str) -> Answer:
    """Ask one question and keep the fingerprint of the answer."""
    body = {"model": persona, "messages": [{"role": "user", "content": question}], **_ASKED}
    began = time.monotonic()
    try:
        prints = prints_of(await gateway.post("/v1/chat/completions", json=body))
    except httpx.HTTPError as error:
        return Answer(question, began, time.monotonic(), None, str(error))
    return Answer(question, began, time.monotonic(), prints)


def _which(question: str, prints: Print, known: Mapping[tuple[int, str], Print]) -> int | None:
    """Return the version whose fingerprint every token has, or None."""
    for (version, asked), own in known.items():
        same = asked == question and len(own) == len(prints)
        if same and all(_gap(a, b) <= TOLERANCE for a, b in zip(own, prints, strict=True)):
            return version
    return None


def _margin(print_: Mapping[str, float]) -> float:
    """Return by how much the likeliest token wins."""
    first, second, *_ = sorted(print_.values(), reverse=True)
    return first - second


def _gap(one: dict[str, float], other: dict[str, float]) -> float:
    """Return the largest difference over the two likeliest tokens of each; one that is unknown is far off."""
    likely = {token for print_ in (one, other) for token in sorted(print_, key=lambda t: -print_[t])[:2]}
    return max(abs(one.get(token, -99.0) - other.get(token, -99.0)) for token in likely)
