"""What the demo's answers are worth: their citations, and whether they decline what has no answer."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.citation_judge import Cited, Verdict, declines, judged
from benchmarks.demo_knowledge import Question, questions, spec_of
from benchmarks.section import Bench, Section
from benchmarks.served import Served

_QUICK = 2
_HEAD = """\
| persona | answerable | passage found | declined wrongly | right passage cited | citations \
| of them supported (precision) | sentences that a passage supports | of them cited (recall) \
| unanswerable | declined |"""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question with what became of it.

    Attributes:
        found: a passage with the fact was in the prompt.
        right: such a passage is cited by a sentence that it supports.
    """

    question: Question
    verdict: Verdict
    declined: bool
    found: bool
    right: bool


def _measure(bench: Bench) -> list[str]:
    asked: dict[str, list[Question]] = defaultdict(list)
    for one in questions():
        asked[one.persona].append(one)
    return asyncio.run(_all(bench.served(), asked, quick=bench.quick))


async def _all(served: Served, asked: Mapping[str, Sequence[Question]], *, quick: bool) -> list[str]:
    lines = [
        "The demo's personas asked the questions of `benchmarks/questions/answers.jsonl`, each as a first turn. A",
        "third have no answer in the documents, though they are near the subject. A citation counts only if the",
        "passage that it names supports the sentence where it stands; how that is judged, by rule and without a",
        "model, is in `benchmarks/citation_judge.py`. Declining is told by its words.",
        "",
        _HEAD,
        "|---" * _HEAD.count(" | ") + "|---|",
    ]
    everything: list[Answered] = []
    async with served.gateway() as http:
        for persona, these in asked.items():
            chosen = _some(these) if quick else these
            answered = [await _ask(http, one) for one in chosen]
            everything += answered
            lines.append(_row(f"`{persona}`", answered))
    return [*lines, _row("**all**", everything)]


def _some(asked: Sequence[Question]) -> list[Question]:
    answerable, others = ([one for one in asked if (one.file is None) is none] for none in (False, True))
    return [*answerable[:_QUICK], *others[:_QUICK]]


async def _ask(http: httpx.AsyncClient, asked: Question) -> Answered:
    body = {
        "model": asked.persona,
        "messages": [{"role": "user", "content": asked.question}],
        "repertory": {"include": True},
    }
    answer = await http.post("/v1/chat/completions", json=body)
    answer.raise_for_status()
    whole = answer.json()
    message, sources = whole["choices"][0]["message"], whole["repertory"]["sources"]
    text: str = message["content"] or ""
    passages = [await _passage(http, source) for source in sources]
    numbers = {source["url"]: place for place, source in enumerate(sources)}
    citations = [_cited(one["url_citation"], numbers) for one in message.get("annotations") or ()]
    closing = spec_of(asked.persona).closing
    holders = {place for place, told in enumerate(passages) if asked.fact and asked.fact in told}
    of_holders = [one for one in citations if one.passage in holders]
    return Answered(
        asked,
        judged(text, citations, passages, closing),
        declined=declines(text),
        found=bool(holders),
        right=judged(text, of_holders, passages, closing).supported > 0,
    )


async def _passage(http: httpx.AsyncClient, source: Mapping[str, Any]) -> str:
    """Return a passage below its headings, read from where the answer says that it stands."""
    document = await http.get(urlsplit(source["url"]).path)
    document.raise_for_status()
    return f"{source['title']}\n{document.text[source['start'] : source['end']]}"


def _cited(annotation: Mapping[str, Any], numbers: Mapping[str, int]) -> Cited:
    return Cited(annotation["start_index"], annotation["end_index"], numbers[annotation["url"]])


def _row(name: str, answered: Sequence[Answered]) -> str:
    answerable = [one for one in answered if one.question.file is not None]
    others = [one for one in answered if one.question.file is None]
    total = {field: sum(getattr(one.verdict, field) for one in answered) for field in Verdict.__slots__}
    cells = [
        str(len(answerable)),
        _share(sum(one.found for one in answerable), len(answerable)),
        _share(sum(one.declined for one in answerable), len(answerable)),
        _share(sum(one.right for one in answerable), len(answerable)),
        str(total["citations"]),
        _share(total["supported"], total["citations"]),
        str(total["supportable"]),
        _share(total["cited"], total["supportable"]),
        str(len(others)),
        _share(sum(one.declined for one in others), len(others)),
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.0%})" if whole else "none"


SECTION = Section("answers", "Citations and refusals on the demo's documents", _measure)
