"""How often a follow-up finds the section that answers it, with and without the conversation before it."""

from collections.abc import Callable, Sequence

from benchmarks.demo_knowledge import FollowUp, answers, demo_knowledge, follow_ups, spec_of
from benchmarks.section import Bench, Section
from retrieval import Knowledge, Passage
from server.turn.query import Query, with_history

_DEPTHS = (2, 4)
_ARMS: tuple[tuple[str, Callable[[Sequence[str]], Query]], ...] = (
    ("`off`: the last question alone", lambda turns: Query(turns[-1])),
    ("`history`: also with the question before it, where it leans on it", with_history),
    ("all questions joined, always, and nothing else", lambda turns: Query(" ".join(turns))),
)


def _measure(bench: Bench) -> list[str]:
    conversations = follow_ups()
    lines = [
        f"{len(conversations)} conversations of two questions about the demo's documents",
        "(`benchmarks/questions/follow_ups.jsonl`), without the engine. A hit: the section that answers the last",
        "question is among the first passages. In some the last question has nothing to do with the first.",
        "",
        "| searched for | follow-ups: hit in 2 | in 4 | nothing found | change of subject: hit in 2 | in 4 |",
        "|---|---|---|---|---|---|",
    ]
    with demo_knowledge(sorted({one.persona for one in conversations})) as knowledge:
        for name, query_of in _ARMS:
            cells = []
            for changes in (False, True):
                asked = [one for one in conversations if one.changes_subject is changes]
                found = [_search(knowledge, one, query_of(one.turns)) for one in asked]
                for depth in _DEPTHS:
                    hits = sum(_hit(one, passages[:depth]) for one, passages in zip(asked, found, strict=True))
                    cells.append(f"{hits} of {len(asked)}")
                if not changes:
                    cells.append(str(sum(not passages for passages in found)))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _search(knowledge: Knowledge, asked: FollowUp, query: Query) -> tuple[Passage, ...]:
    spec = spec_of(asked.persona)
    return knowledge.search(
        spec.knowledge.paths,
        query.question,
        also=query.phrasings[1:],
        top_k=max(_DEPTHS),
        floor=spec.retrieval.floor,
        dense_weight=spec.retrieval.dense_weight,
    ).passages


def _hit(asked: FollowUp, passages: Sequence[Passage]) -> bool:
    return any(answers(passage, asked.file, asked.heading) for passage in passages)


SECTION = Section("follow-ups", "Follow-up questions and what they find", _measure)
