"""One document into a store: split, embedded, swapped in. The road that folders and uploads share.

Vectors are laid down as they are made, where a repeated try finds them; the document itself is one transaction, so
whatever ends the process leaves it old or new.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from sqlalchemy import Connection

from core.callbacks import nothing
from core.database import Database
from retrieval import shelf
from retrieval.parsing import ParsedDocument, Parser, language_of
from retrieval.records import TextEmbedder
from retrieval.shelf import NewDocument, Store
from retrieval.splitting import SPLITTER_VERSION, WHOLE_PROSE, Cut, embedding_text, split, title_of

_BATCH = 32


class Intake:
    """Takes documents into stores; made for a run and thrown away.

    Attributes:
        embedded: passages that it has embedded so far.

    Args:
        database: holds the stores.
        embedder: gives the vectors.
        parser: reads the files.
        step: called after each batch of vectors; what it raises ends the work between two batches.
    """

    def __init__(
        self, database: Database, embedder: TextEmbedder, parser: Parser, step: Callable[[], None] = nothing
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._parser = parser
        self._step = step
        self.embedded = 0

    def identity(self, content: bytes, name: str) -> str:
        """Return what decides which passages come of a file; while it stays the same, it need not be taken again.

        Raises:
            FileRefusedError: such files are not read, or there is no text in it.
        """
        return _hash(f"{SPLITTER_VERSION}\0{self._parser.identity(content, name)}")

    def put(
        self,
        store: Store,
        path: str,
        read: ParsedDocument,
        identity: str,
        *,
        name: str | None = None,
        cut: Cut = WHOLE_PROSE,
        within: Callable[[Connection, NewDocument], None] = nothing,
    ) -> None:
        """Put a document into a store, in the place of the one that the path named before.

        Args:
            store: whose embedder is the present one.
            path: the document's in the store.
            read: its text.
            identity: what `identity` said of its bytes.
            name: the file's, where the path is another.
            cut: how it is split.
            within: called in the transaction of the swap; what it raises leaves everything as it was.

        Raises:
            Unavailable: the embedder or the database is away.
        """
        stem = PurePosixPath(name or path).stem.replace("_", " ").replace("-", " ")
        title = title_of(read.text, stem, markdown=read.markdown)
        pieces = split(read.text, markdown=read.markdown, pages=read.pages, language=language_of(path), cut=cut)
        texts = [embedding_text(title, piece.heading, piece.text) for piece in pieces]
        hashes = [_hash(words) for words in texts]
        document = NewDocument(
            id=shelf.document_id(store.name, path),
            path=path,
            title=title,
            text=read.text,
            content_hash=identity,
            pieces=pieces,
            hashes=hashes,
            warning=read.warning,
        )
        by_hash = dict(zip(hashes, texts, strict=True))
        while not self._swapped(store, document, self._vectors(store, by_hash), within):
            pass  # a vector that another document had was swept meanwhile with that document

    def embedded_anew(self, store: Store) -> Store:
        """Give a store of another embedder all its vectors anew, then switch it over in one step.

        Raises:
            Unavailable: the embedder or the database is away; what is embedded stays.
        """
        identity = self._embedder.model_id
        if store.embedder == identity:
            return store
        while True:
            with self._database.read() as connection:
                batch = shelf.unembedded_passages(connection, store.id, identity, _BATCH)
            if not batch:
                break
            self._embed(batch)
        with self._database.write() as connection:
            shelf.change_store(
                connection,
                store.id,
                embedder=identity,
                dimensions=self._embedder.dimensions,
                generation=store.generation + 1,
            )
            shelf.forget_unused_vectors(connection, identity)
            switched = shelf.find_store(connection, store.name)
        assert switched is not None  # noqa: S101 - changed in this very transaction
        return switched

    def _vectors(self, store: Store, by_hash: Mapping[str, str]) -> dict[str, bytes]:
        with self._database.read() as connection:
            missing = sorted(shelf.missing_vectors(connection, store.embedder, by_hash))
        made: dict[str, bytes] = {}
        for first in range(0, len(missing), _BATCH):
            made |= self._embed({key: by_hash[key] for key in missing[first : first + _BATCH]})
        return made

    def _embed(self, texts: Mapping[str, str]) -> dict[str, bytes]:
        """Embed and lay down a batch, so that work cut short does not pay for it twice."""
        rows = self._embedder.embed(list(texts.values()))
        made = {key: row.tobytes() for key, row in zip(texts, rows, strict=True)}
        with self._database.write() as connection:
            shelf.put_vectors(connection, self._embedder.model_id, made)
        self.embedded += len(made)
        self._step()
        return made

    def _swapped(
        self,
        store: Store,
        document: NewDocument,
        made: Mapping[str, bytes],
        within: Callable[[Connection, NewDocument], None],
    ) -> bool:
        with self._database.write() as connection:
            if shelf.missing_vectors(connection, store.embedder, set(document.hashes) - made.keys()):
                return False
            shelf.put_document(connection, store, document, made)
            within(connection, document)
        return True


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
