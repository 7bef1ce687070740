"""How much of the prompts the engine has read before: across turns, across users, and never across groups.

From `usage.prompt_tokens_details.cached_tokens` of the answers, which sums all engine calls of a turn, and
once more from the counters of the engine itself.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from benchmarks.section import Bench, Section
from benchmarks.served import ADVISER, READERS, Served

_SHOP = (
    "My parcel is five days late. When does it count as lost?",
    "How many days do I have to send goods back?",
    "Who pays for the way back of a broken lamp?",
    "How long is the guarantee on a kettle?",
    "Can I still change the address of my order?",
)
_TEAM = (
    "How long may our sprint planning take?",
    "When is the status report due?",
    "Which open tickets do we have about the login page?",
    "Who keeps the risk register?",
    "What happens after an incident?",
)
_COUNTERS = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Read:
    """Prompt tokens of one turn, and how many of them were cached."""

    prompt: int
    cached: int


def _measure(bench: Bench) -> list[str]:
    return asyncio.run(_all(bench.served(), 2 if bench.quick else len(_SHOP)))


async def _all(served: Served, turns: int) -> list[str]:
    same, also, other = READERS
    async with served.engine() as engine, served.gateway() as gateway:
        before = await _counters(engine)
        rows = {
            "without documents": (ADVISER, _SHOP),
            "with passages": ("support-agent", _SHOP),
            "with passages and guided actions": ("scrum-coach", _TEAM),
        }
        lines = [
            "Cached prompt tokens by turn of a conversation, and in the first turn of a second user of the same",
            "persona. In brackets: prompt tokens, which sum all engine calls of the turn. Passages stand in",
            "the last user message and are not told again in the next turn, so what was cached ends there: at the",
            "question of the turn before. Guided actions ask the engine several times over one beginning.",
            "",
            "| persona | " + " | ".join(f"turn {n + 1}" for n in range(turns)) + " | second user, turn 1 |",
            "|---" * (turns + 2) + "|",
        ]
        for name, (persona, questions) in rows.items():
            reads = await _conversation(gateway, persona, questions[:turns])
            reads += await _conversation(gateway, persona, questions[1:2])
            lines.append(f"| {name} (`{persona}`) | " + " | ".join(map(_shown, reads)) + " |")
        groups = {
            "the first user": await _conversation(gateway, same, _SHOP[:1]),
            "the same persona, another user": await _conversation(gateway, same, _SHOP[1:2]),
            "a persona over the same store": await _conversation(gateway, also, _SHOP[1:2]),
            "a persona over another store": await _conversation(gateway, other, _SHOP[1:2]),
        }
        after = await _counters(engine)
    asked, hit = (end - begin for begin, end in zip(before, after, strict=True))
    lines += [
        "",
        "Personas with the very same instructions, one after the other; what another access group has read must",
        "never be cached.",
        "",
        "| who asks | cached |",
        "|---|---|",
        *(f"| {name} | {_shown(reads[0])} |" for name, reads in groups.items()),
        "",
        f"The engine's own counters over all of this: {hit:.0f} of {asked:.0f} prompt tokens cached "
        f"({hit / asked:.0%}).",
    ]
    if groups["a persona over another store"][0].cached:
        raise RuntimeError("a prompt with passages was read from the cache of another access group")
    return lines


async def _conversation(gateway: httpx.AsyncClient, persona: str, questions: Sequence[str]) -> list[Read]:
    """Ask one question after the other in one conversation."""
    messages: list[dict[str, str]] = []
    reads = []
    for question in questions:
        opening = "" if messages else f"Case {next(_numbers):04}. "
        messages.append({"role": "user", "content": opening + question})
        body = {"model": persona, "messages": messages, "max_tokens": 48, "temperature": 0}
        answer = (await gateway.post("/v1/chat/completions", json=body)).raise_for_status().json()
        messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"] or "-"})
        usage = answer["usage"]
        reads.append(Read(usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]))
    return reads


async def _counters(engine: httpx.AsyncClient) -> list[float]:
    lines = (await engine.get("/metrics")).raise_for_status().text.splitlines()
    return [sum(float(line.split()[-1]) for line in lines if line.startswith(name)) for name in _COUNTERS]


def _shown(read: Read) -> str:
    return f"{read.cached / max(1, read.prompt):.0%} ({read.prompt})"


SECTION = Section("cache", "What the engine has read before", _measure)
