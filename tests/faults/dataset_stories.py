"""Data sets, told step by step: two versions come in, one of them is split. And what must be true after a kill."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from adapters.datasets import Datasets, Reference, Source, import_dataset, read_dataset
from adapters.datasets.personal import Span
from adapters.datasets.shelf import NewPart
from adapters.datasets.splitting import Shares, split
from core.database import Database
from tests.faults.document_models import Fact

_SHARES = Shares({"train": 0.5, "test": 0.5})
_QUESTIONS = (
    "Where is my parcel?",
    "May I send a sofa back?",
    "How do I change my password?",
    "Is the oak oiled?",
)


class Hearer(Protocol):
    """Whom the story is told."""

    def attempt(self, *fact: object) -> None:
        """Hear what is tried next."""
        ...

    def acknowledge(self, *fact: object) -> None:
        """Hear what was promised."""
        ...


class NobodyThere:
    """Finds no personal data."""

    def find(self, texts: list[str]) -> list[list[Span]]:
        """Return no spans."""
        return [[] for _ in texts]


def datasets(base: Path, witness: Hearer) -> None:
    """Take two versions in and split the second."""
    shelf = Datasets(Database(base / "repertory.db"), base / "datasets")
    for number in (1, 2):
        witness.attempt("import", number)
        version = import_dataset(_source(base, number), shelf, NobodyThere())
        witness.acknowledge("import", number, version.sha256)
    witness.attempt("split", 2)
    _split(shelf)
    witness.acknowledge("split", 2)


def check_datasets(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """Versions are whole or absent, a split has all of its parts or none, and nothing else is left."""
    database = Database(base / "repertory.db")
    shelf = Datasets(database, base / "datasets")
    promised = [fact for fact in done if fact[0] == "import"]
    found = shelf.list("talks")
    assert len(found) in (len(promised), len(promised) + (tried is not None and tried[0] == "import"))
    for version, (_, number, sha256) in zip(found, promised, strict=False):
        assert (version.version, version.sha256) == (number, sha256)
    for version in found:
        kept = shelf.file(Reference("talks", version.version)).read_bytes()
        assert kept == _source(base, version.version).path.read_bytes()
        assert len(version.parts) in (0, 2)
        assert all(shelf.part_file(part).is_file() for part in version.parts)
    assert bool(found and found[-1].parts) or ("split", 2) not in done
    for number in (1, 2):
        assert import_dataset(_source(base, number), shelf, NobodyThere()).version == number
    _split(shelf)
    named = {version.sha256 for version in shelf.list()} | {
        part.sha256 for version in shelf.list() for part in version.parts
    }
    on_disk = {path.name for path in (base / "datasets").glob("??/*")}
    assert on_disk == named
    assert all(
        hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in (base / "datasets").glob("??/*")
    )
    database.close()


def _split(shelf: Datasets) -> None:
    version = shelf.get(Reference("talks", 2))
    path = shelf.file(Reference("talks", 2))
    examples = read_dataset(path).examples
    made, rows = split(examples, _SHARES), path.read_bytes().split(b"\n")
    parts = [
        NewPart(name, [rows[examples[place].line - 1] for place in places], made.groups[name])
        for name, places in made.parts.items()
    ]
    shelf.add_split(version, _SHARES.identity, parts, _SHARES.shown())


def _source(base: Path, number: int) -> Source:
    path = base / f"talks{number}.jsonl"
    if not path.exists():
        rows = [
            {
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": f"Answer {number}."},
                ]
            }
            for question in _QUESTIONS
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Source(path, "talks", "a story")
