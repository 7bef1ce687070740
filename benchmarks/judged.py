"""Sets with judgements, read from the folder that `--data` names. Knows formats, never a retriever.

Two layouts are recognised by their files: that of BEIR (`corpus.jsonl`, `queries.jsonl`, `qrels.tsv` or
`qrels/test.tsv`), whose judgements name documents, and that of Chroma's chunking evaluation (`questions_df.csv`,
`corpora/*.md`), whose judgements are ranges of characters.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_FIELD_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """Documents, questions, and which document answers which question.

    Attributes:
        documents: id → the file that a person would have: Markdown with its title as heading, or plain text.
        questions: id → words, of those that are judged.
        judgements: id of the question → id of the document → grade, above 0.
    """

    name: str
    documents: Mapping[str, "File"]
    questions: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class File:
    """A document as it lies in a folder."""

    text: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a document that answer a question."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SpannedSet:
    """Long documents, questions, and the characters that answer each."""

    name: str
    documents: Mapping[str, File]
    questions: Sequence[tuple[str, Sequence[Span]]]


def judged_sets(folder: Path) -> list[JudgedSet]:
    """Return the sets of BEIR's layout below a folder, by name."""
    return [_judged(here) for here in _folders(folder) if (here / "corpus.jsonl").is_file()]


def spanned_sets(folder: Path) -> list[SpannedSet]:
    """Return the sets of Chroma's layout below a folder, by name."""
    return [_spanned(here) for here in _folders(folder) if (here / "questions_df.csv").is_file()]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in (folder, *folder.iterdir()) if path.is_dir())


def _judged(folder: Path) -> JudgedSet:
    judgements: dict[str, dict[str, int]] = {}
    for question, document, grade in _grades(folder):
        if grade > 0:
            judgements.setdefault(question, {})[document] = grade
    documents = {str(row["_id"]): _file(row) for row in _rows(folder / "corpus.jsonl")}
    questions = {str(row["_id"]): str(row["text"]) for row in _rows(folder / "queries.jsonl")}
    asked = {key: words for key, words in questions.items() if key in judgements}
    return JudgedSet(folder.name, documents, asked, judgements)


def _file(row: Mapping[str, object]) -> File:
    title, text = str(row.get("title") or ""), str(row["text"])
    return File(f"# {title}\n\n{text}", ".md") if title else File(text, ".txt")


def _grades(folder: Path) -> Iterator[tuple[str, str, int]]:
    path = next(path for path in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if path.is_file())
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if len(cells) >= 3 and cells[-1].lstrip("-").isdigit():  # else it is the heading
            yield cells[0], cells[-2], int(cells[-1])


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _spanned(folder: Path) -> SpannedSet:
    paths = sorted((folder / "corpora").glob("*.md"))
    documents = {path.stem: File(path.read_bytes().decode(), path.suffix) for path in paths}
    csv.field_size_limit(_FIELD_LIMIT)
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as rows:
        questions = [
            (
                row["question"],
                tuple(
                    Span(row["corpus_id"], gold["start_index"], gold["end_index"])
                    for gold in json.loads(row["references"])
                ),
            )
            for row in csv.DictReader(rows)
        ]
    return SpannedSet(folder.name, documents, questions)
