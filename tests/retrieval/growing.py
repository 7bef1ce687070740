"""A store whose documents come and go with vectors of our choice, and what an exact search finds in it."""

import numpy as np
from sqlalchemy import text

from core.database import Database
from retrieval import shelf
from retrieval.records import Vectors
from retrieval.shelf import NewDocument, Store
from retrieval.splitting import Piece

DIMENSIONS = 24


class Growing:
    """The store, and a model of it that remembers what was put in, and reads nothing back.

    Args:
        database: holds it.
        name: the store's.
        each: passages of a document.
    """

    def __init__(self, database: Database, name: str = "big", each: int = 60) -> None:
        self._database = database
        self._name = name
        self._each = each
        self._chance = np.random.default_rng(11)
        self._centres = self._chance.standard_normal((12, DIMENSIONS))
        self._held: dict[int, dict[str, Vectors]] = {}
        self._editions = 0
        self._embedders = 1
        with database.write() as connection:
            number = min(shelf.store_numbers(connection), default=0) - 1
            shelf.add_store(connection, number, name, "", "cloud/1", DIMENSIONS)

    @property
    def row(self) -> Store:
        """The store's row as it is now."""
        with self._database.read() as connection:
            store = shelf.find_store(connection, self._name)
        assert store is not None
        return store

    @property
    def numbers(self) -> list[int]:
        """Those of the documents that it holds."""
        return sorted(self._held)

    @property
    def count(self) -> int:
        """How many passages it holds."""
        return sum(map(len, self._held.values()))

    def add(self, *numbers: int) -> None:
        """Put documents in, each in the place of the one of its number, if there is one."""
        with self._database.write() as connection:
            store = self.row
            for number in numbers:
                self._editions += 1
                hashes = [f"{self._name}-{number}-{self._editions}-{place}" for place in range(self._each)]
                made = dict(zip(hashes, self._vectors(self._each), strict=True))
                pieces = [Piece("", f"words {name}", place, place + 1) for place, name in enumerate(hashes)]
                identity = f"{self._name}-{number}"
                document = NewDocument(identity, f"{number}.txt", "", "text", str(number), pieces, hashes)
                laid = {key: vector.tobytes() for key, vector in made.items()}
                shelf.put_document(connection, store, document, laid)
                self._held[number] = made

    def remove(self, *numbers: int) -> None:
        """Take documents out."""
        with self._database.write() as connection:
            store = self.row
            for number in numbers:
                shelf.remove_document(connection, store, f"{self._name}-{number}")
                del self._held[number]

    def embed_anew(self) -> None:
        """Give every passage a vector of another embedder, and switch over."""
        self._embedders += 1
        name = f"cloud/{self._embedders}"
        for number, held in self._held.items():
            self._held[number] = dict(zip(held, self._vectors(len(held)), strict=True))
        laid = {key: one.tobytes() for held in self._held.values() for key, one in held.items()}
        store = self.row
        with self._database.write() as connection:
            shelf.put_vectors(connection, name, laid)
            shelf.change_store(connection, store.id, embedder=name, generation=store.generation + 1)

    def cosines(self, question: Vectors) -> dict[str, float]:
        """Return passage → cosine of all passages, the nearest first."""
        found = {key: float(vector @ question) for held in self._held.values() for key, vector in held.items()}
        return dict(sorted(found.items(), key=lambda one: -one[1]))

    def nearest(self, question: Vectors, count: int) -> list[str]:
        """Return the names of the passages that are nearest, nearest first."""
        return list(self.cosines(question))[:count]

    def vector(self, number: int) -> Vectors:
        """Return the vector of the first passage of a document."""
        return next(iter(self._held[number].values()))

    def first_row(self, number: int) -> int:
        """Return the row of the first passage of a document."""
        query = text("SELECT min(row) FROM retrieval_passages WHERE document_id = :document")
        with self._database.read() as connection:
            row: int = connection.execute(query, {"document": f"{self._name}-{number}"}).scalar_one()
        return row

    def named(self, rows: list[int]) -> list[str]:
        """Return the names of passages; `gone` for one that the database does not have."""
        with self._database.read() as connection:
            query = text("SELECT row, text_hash FROM retrieval_passages")
            names = {row.row: row.text_hash for row in connection.execute(query)}
        return [names.get(row, "gone") for row in rows]

    def question(self) -> Vectors:
        """Return a unit vector in the midst of the passages' ones."""
        question: Vectors = self._vectors(1)[0]
        return question

    def _vectors(self, count: int) -> Vectors:
        near = self._centres[self._chance.integers(0, len(self._centres), count)]
        vectors = near + 0.7 * self._chance.standard_normal((count, DIMENSIONS))
        unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit
