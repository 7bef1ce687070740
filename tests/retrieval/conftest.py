"""Stores on real SQLite and real FAISS; the real embedding process once per session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from retrieval import Embedder, Knowledge
from retrieval.tables import metadata
from tests.fakes.embedder import WordEmbedder

collect_ignore = ["published"]  # needs packages of the clients' environment; `test_langchain_face.py` runs it

MODEL_DIR = Path(__file__).resolve().parents[2] / "models" / "embedding"

RETURNS = """# Returns

## Window
Boots bought in a sale may be sent back within twenty one days, unworn and in their box, with the paper slip
that came with them. Shops take them too, and the refund reaches the card after four working days, or after
nine when the bank sits abroad. Gift cards are refunded as gift cards.

## Error codes
The code ERR-4711 on the slip means that the printed label has run out and that a new one must be asked for.
The portal prints it again for thirty days; after that only the warehouse in Tallinn can make one by hand,
which takes two working days and one signature from the shift leader on duty there.
"""
TONE = "We speak plainly, never blame the customer, and close every letter with a first name."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "returns.md").write_text(RETURNS)
    (folder / "tone.txt").write_text(TONE)
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "repertory.db")
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def index_dir(tmp_path: Path) -> Path:
    return tmp_path / "indexes"


@pytest.fixture
def knowledge(database: Database, embedder: WordEmbedder, index_dir: Path) -> Knowledge:
    return Knowledge(database, embedder, index_dir)


@pytest.fixture(scope="session")
def real_embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    embedder = Embedder(MODEL_DIR, log_path=tmp_path_factory.mktemp("embedder") / "embedder.log")
    embedder.start()
    yield embedder
    embedder.close()
