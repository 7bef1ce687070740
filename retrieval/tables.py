"""The tables of retrieval. Owns their shape alone; `shelf` writes the rows, `lexicon` searches them.

`retrieval_vectors` is keyed by the text that was embedded and by the embedder, so it is a cache and the
truth in one: an unchanged passage of a changed file finds its vector there, and the vectors of a new
embedder can be laid beside the old ones before a store is switched over.
"""

from sqlalchemy import (
    DDL,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

metadata = MetaData()

stores = Table(
    "retrieval_stores",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("folder", String, nullable=False),
    Column("embedder", String, nullable=False),
    Column("dimensions", Integer, nullable=False),
    # Rises with every change of the store's passages; an index of another generation is stale.
    Column("generation", Integer, nullable=False),
    Column("synced_at", Float),
    Column("index_generation", Integer),
    Column("index_sha256", String),
    Column("index_count", Integer),
)

documents = Table(
    "retrieval_documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("store_id", Integer, ForeignKey("retrieval_stores.id"), nullable=False),
    Column("path", String, nullable=False),
    Column("title", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("content_hash", String, nullable=False),
    # What of the file was left out, in words; null if nothing was.
    Column("warning", Text),
    UniqueConstraint("store_id", "path"),
)

passages = Table(
    "retrieval_passages",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("store_id", Integer, ForeignKey("retrieval_stores.id"), nullable=False),
    Column("document_id", String, ForeignKey("retrieval_documents.id"), nullable=False),
    Column("title", String, nullable=False),
    Column("heading", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("text_hash", String, nullable=False),
    Column("page", Integer),
    Index("retrieval_passages_by_store", "store_id"),
    Index("retrieval_passages_by_document", "document_id"),
    Index("retrieval_passages_by_text", "text_hash"),
    # A row number is never given twice: an index that is one sync behind cannot name a wrong passage.
    sqlite_autoincrement=True,
)

vectors = Table(
    "retrieval_vectors",
    metadata,
    Column("embedder", String, primary_key=True),
    Column("text_hash", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

FULL_TEXT_DDL = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS retrieval_passages_fts USING fts5("
    "title, heading, text, content='retrieval_passages', content_rowid='row', "
    "tokenize='porter unicode61')",
    "CREATE VIRTUAL TABLE IF NOT EXISTS retrieval_vocabulary USING fts5vocab('retrieval_passages_fts', 'row')",
)
"""Statements that SQLAlchemy cannot express; a migration runs them after the tables."""

for _statement in FULL_TEXT_DDL:
    event.listen(metadata, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
