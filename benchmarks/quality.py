"""How good retrieval is: our legs and their fusion beside LangChain's and Haystack's defaults, same vectors."""

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.judged import JudgedSet, Span, SpannedSet, judged_sets, spanned_sets
from benchmarks.pipelines import Found, Ours, haystack, langchain
from benchmarks.relevance import DEPTH, coverage, ndcg, paired_difference, recall
from benchmarks.remembered import remembering
from benchmarks.report import RETRIEVAL, verdict
from benchmarks.section import Bench, Section
from retrieval import TextEmbedder

BUDGETS = (2000, 4000, 8000)
_HYBRID, _WORDS, _MEANING = "ours", "BM25 alone", "dense alone"
_LANGCHAIN, _HAYSTACK = "LangChain", "Haystack"
_FLOORS = {"scifact": 0.725, "anthropic_docs": 0.82}
"""Name of a set → the nDCG@10 that we set out to reach."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What one pipeline reached, question by question."""

    ndcg: Sequence[float]
    recall: Sequence[float]
    made: int


def _measure(bench: Bench) -> list[str]:
    data = bench.sets()
    with remembering() as embedder:
        return [*_documents(judged_sets(data), embedder), *_characters(spanned_sets(data), embedder)]


def _documents(sets: Sequence[JudgedSet], embedder: TextEmbedder) -> list[str]:
    lines = [
        "### Which documents are found",
        "",
        f"nDCG@{DEPTH} and Recall@{DEPTH} in per cent. Every pipeline reads the same files and has its vectors",
        f"from the same model (all-MiniLM-L6-v2, {embedder.model_id.split('/')[1]}); a document counts by its",
        "best passage, of 50. Ours goes",
        "the whole way of a server: folder, parser, splitter, `Knowledge.search` with its defaults but the floor.",
        "LangChain: RecursiveCharacterTextSplitter 1000/200 and InMemoryVectorStore. Haystack: DocumentSplitter",
        "(200 words) and InMemoryEmbeddingRetriever. Beside the nDCG: ours less this one, with the 95 % interval",
        "of a paired bootstrap over the questions.",
        "",
        "| set | questions | pipeline | passages | nDCG@10 | (ours less it) | Recall@10 |",
        "|---|---|---|---|---|---|---|",
    ]
    goals = []
    for one in sets:
        scores = _scored(one, embedder)
        ours = scores[_HYBRID]
        for name, score in scores.items():
            gap = "" if name == _HYBRID else _points(ours.ndcg, score.ndcg)
            lines.append(
                f"| {one.name} | {len(one.questions)} | {name} | {score.made} | {_percent(score.ndcg)} | {gap} "
                f"| {_percent(score.recall)} |"
            )
            print(lines[-1], flush=True)
        goals += _goals(one.name, {name: statistics.fmean(score.ndcg) for name, score in scores.items()})
    return [*lines, "", "| set | goal | measured | |", "|---|---|---|---|", *goals, ""]


def _scored(one: JudgedSet, embedder: TextEmbedder) -> dict[str, Scores]:
    questions = list(one.questions.values())
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(one.documents, embedder, Path(folder))
        pipelines: dict[str, Callable[[], Found]] = {
            _WORDS: lambda: ours.found(questions, 0.0),
            _MEANING: lambda: ours.found(questions, 1.0),
            _HYBRID: lambda: ours.found(questions),
            _LANGCHAIN: lambda: langchain(one.documents, questions, embedder),
            _HAYSTACK: lambda: haystack(one.documents, questions, embedder, Path(folder)),
        }
        return {name: _judged(one, run()) for name, run in pipelines.items()}


def _judged(one: JudgedSet, found: Found) -> Scores:
    rankings = [list(dict.fromkeys(span.document for span in spans)) for spans in found.passages]
    grades = [one.judgements[key] for key in one.questions]
    pairs = list(zip(rankings, grades, strict=True))
    return Scores([ndcg(*pair) for pair in pairs], [recall(*pair) for pair in pairs], found.made)


def _goals(name: str, means: Mapping[str, float]) -> list[str]:
    ours = means[_HYBRID]
    goals = [
        ("not below the better of its parts", max(means[_WORDS], means[_MEANING])),
        ("ahead of LangChain's default", means[_LANGCHAIN]),
        ("ahead of Haystack's default", means[_HAYSTACK]),
    ]
    if name in _FLOORS:
        goals.append(("nDCG@10 as set out", _FLOORS[name]))
    return [
        f"| {name} | {what}: {100 * least:.1f} | {100 * ours:.1f} | {verdict(ours >= least)} |"
        for what, least in goals
    ]


def _characters(sets: Sequence[SpannedSet], embedder: TextEmbedder) -> list[str]:
    lines: list[str] = []
    for one in sets:
        words = [question for question, _ in one.questions]
        gold = [spans for _, spans in one.questions]
        with tempfile.TemporaryDirectory() as folder:
            ours = Ours(one.documents, embedder, Path(folder))
            found = {
                _WORDS: ours.found(words, 0.0),
                _MEANING: ours.found(words, 1.0),
                _HYBRID: ours.found(words),
                _LANGCHAIN: langchain(one.documents, words, embedder),
                _HAYSTACK: haystack(one.documents, words, embedder, Path(folder)),
            }
        lines += [
            "### Which characters are found",
            "",
            f"`{one.name}`: {len(words)} questions over {len(one.documents)} long documents. Share of the",
            "characters that answer a question within the first 2,000, 4,000 and 8,000 characters found, in",
            "per cent; in brackets ours less this one, with its 95 % interval.",
            "",
            "| pipeline | passages | " + " | ".join(f"{budget:,}" for budget in BUDGETS) + " |",
            "|---|---|" + "---|" * len(BUDGETS),
        ]
        shares = {name: _shares(result.passages, gold) for name, result in found.items()}
        for name, result in found.items():
            cells = [
                _percent(values) + ("" if name == _HYBRID else f" ({_points(best, values)})")
                for values, best in zip(shares[name], shares[_HYBRID], strict=True)
            ]
            lines.append(f"| {name} | {result.made} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
        lines += ["", "| goal: ahead of LangChain at | LangChain | ours | |", "|---|---|---|---|"]
        for budget, ours_at, theirs_at in zip(BUDGETS, shares[_HYBRID], shares[_LANGCHAIN], strict=True):
            reached = statistics.fmean(ours_at) > statistics.fmean(theirs_at)
            lines.append(f"| {budget:,} | {_percent(theirs_at)} | {_percent(ours_at)} | {verdict(reached)} |")
    return lines


def _shares(found: Sequence[Sequence[Span]], gold: Sequence[Sequence[Span]]) -> list[list[float]]:
    pairs = list(zip(found, gold, strict=True))
    return [[coverage(*pair, budget) for pair in pairs] for budget in BUDGETS]


def _percent(values: Sequence[float]) -> str:
    return f"{100 * statistics.fmean(values):.1f}"


def _points(ours: Sequence[float], theirs: Sequence[float]) -> str:
    gap = paired_difference(ours, theirs)
    return f"{100 * gap.value:+.1f}: {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"


SECTION = Section("quality", "Quality", _measure, RETRIEVAL)
