"""The demo's documents, searched by the real embedding model without a server, and the questions about them."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.database import Database
from retrieval import Embedder, Knowledge, Passage
from retrieval.tables import metadata
from server.assembly import action_loader
from server.personas.loader import Persona, load_file
from server.personas.schema import PersonaSpec
from server.settings import ROOT, Settings

_QUESTIONS = Path(__file__).parent / "questions"


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a persona.

    Attributes:
        file: document that answers it, as a path in the checkout; None if none does.
        heading: of the section that answers it.
        fact: words of that section that hold the answer.
    """

    persona: str
    question: str
    file: str | None
    heading: str | None
    fact: str | None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A conversation whose last question is to be answered.

    Attributes:
        turns: what the user says, the oldest first.
        changes_subject: the last question has nothing to do with those before it.
    """

    persona: str
    turns: tuple[str, ...]
    file: str
    heading: str
    changes_subject: bool


def questions() -> list[Question]:
    """Return single questions; those without an answer are near the subject, too."""
    return [Question(**json.loads(line)) for line in _lines("answers.jsonl")]


def follow_ups() -> list[FollowUp]:
    """Return conversations of two turns."""
    return [
        FollowUp(**(row | {"turns": tuple(row["turns"])})) for row in map(json.loads, _lines("follow_ups.jsonl"))
    ]


def answers(passage: Passage, file: str, heading: str) -> bool:
    """Tell whether a passage is of the section that answers a question."""
    return f"{passage.store}/{passage.path}" == file and passage.heading.rpartition(" > ")[2] == heading


def spec_of(persona: str) -> PersonaSpec:
    """Return a demo persona."""
    loaded = load_file(ROOT / "personas" / f"{persona}.yaml", action_loader(Settings()))
    if not isinstance(loaded, Persona):
        raise RuntimeError(str(loaded[0]))
    return loaded.spec


@contextmanager
def demo_knowledge(personas: Sequence[str]) -> Iterator[Knowledge]:
    """Read the documents of some demo personas."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "repertory.db")
        metadata.create_all(database.engine)
        embedder = Embedder(Settings().embedding_model_dir, log_path=Path(folder) / "embedder.log", threads=2)
        embedder.start()
        try:
            knowledge = Knowledge(database, embedder, Path(folder) / "indexes")
            for name in personas:
                for path in spec_of(name).knowledge.paths:
                    knowledge.sync(path, ROOT / path)
            yield knowledge
        finally:
            embedder.close()
            database.close()


def _lines(name: str) -> list[str]:
    return (_QUESTIONS / name).read_text(encoding="utf-8").splitlines()
