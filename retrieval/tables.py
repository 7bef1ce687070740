"""The tables of retrieval. Owns their shape alone; `shelf` writes and reads the rows.

`retrieval_vectors` is keyed by the text that was embedded and by the embedder, so it is a cache and the
truth in one: an unchanged passage of a changed file finds its vector there, and the vectors of a new
embedder can be laid beside the old ones before a store is switched over.
"""

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
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

REMOVALS_KEPT = 100_000
"""How many removals are remembered, of all stores together; an index that missed more compares all its rows."""

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
    Column("index_sha256", String),
    Column("index_count", Integer),
    # Of the index as it was built: whose vectors, how it searches, and recall@10 against an exact search.
    Column("index_embedder", String),
    Column("index_kind", String),
    Column("index_recall", Float),
    # Of the index of words as it was saved; null while it is kept in memory alone.
    Column("words_sha256", String),
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

removals = Table(
    "retrieval_removals",
    metadata,
    # Without a gap, and in the order of the commits: who knows one knows which came after it.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    # No foreign keys: what is noted here outlives passage and store.
    Column("store_id", Integer, nullable=False),
    Column("row", Integer, nullable=False),
    Index("retrieval_removals_by_store", "store_id"),
    sqlite_autoincrement=True,
)

# A trigger, so that no deletion can forget it, and that both are in one transaction. The newest always stays.
event.listen(
    metadata,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
        "CREATE TRIGGER IF NOT EXISTS retrieval_passage_removed AFTER DELETE ON retrieval_passages BEGIN"
        ' INSERT INTO retrieval_removals (store_id, "row") VALUES (OLD.store_id, OLD."row");'
        " DELETE FROM retrieval_removals WHERE seq <= last_insert_rowid() - %(kept)s;"
        " END",
        context={"kept": REMOVALS_KEPT},
    ),
)

vectors = Table(
    "retrieval_vectors",
    metadata,
    Column("embedder", String, primary_key=True),
    Column("text_hash", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

file_failures = Table(
    "retrieval_file_failures",
    metadata,
    Column("store_id", Integer, ForeignKey("retrieval_stores.id"), primary_key=True),
    Column("path", String, primary_key=True),
    Column("reason", Text, nullable=False),
)

vector_stores = Table(
    "retrieval_vector_stores",
    metadata,
    # The store's number is its negative, so that numbers are never given twice and differ from those of folders.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("principal", String, nullable=False),
    Column("title", String, nullable=False),
    Column("description", Text),
    Column("labels", JSON, nullable=False),
    Column("expires_days", Integer),
    Column("created_at", Float, nullable=False),
    Column("last_active_at", Float, nullable=False),
    # Null where it never expires.
    Column("expires_at", Float),
    Index("retrieval_vector_stores_by_principal", "principal", "seq"),
    sqlite_autoincrement=True,
)

shares = Table(
    "retrieval_store_shares",
    metadata,
    Column("vector_store", String, ForeignKey("retrieval_vector_stores.id"), primary_key=True),
    Column("reader", String, primary_key=True),
)

batches = Table(
    "retrieval_file_batches",
    metadata,
    Column("id", String, primary_key=True),
    Column("vector_store", String, ForeignKey("retrieval_vector_stores.id"), nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("retrieval_file_batches_by_store", "vector_store"),
)

entries = Table(
    "retrieval_store_files",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("vector_store", String, ForeignKey("retrieval_vector_stores.id"), nullable=False),
    Column("file_id", String, nullable=False),
    Column("batch", String, ForeignKey("retrieval_file_batches.id")),
    Column("filename", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error_code", String),
    Column("error_message", Text),
    Column("attributes", JSON, nullable=False),
    # Both null where the server chooses.
    Column("max_tokens", Integer),
    Column("overlap_tokens", Integer),
    Column("usage_bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("document_id", String),
    UniqueConstraint("vector_store", "file_id"),
    Index("retrieval_store_files_by_status", "status", "seq"),
    Index("retrieval_store_files_by_file", "file_id"),
    Index("retrieval_store_files_by_batch", "batch"),
    Index("retrieval_store_files_by_document", "document_id"),
    sqlite_autoincrement=True,
)

attributes = Table(
    "retrieval_file_attributes",
    metadata,
    Column("entry", Integer, ForeignKey("retrieval_store_files.seq"), primary_key=True),
    Column("key", String, primary_key=True),
    # One of the three has the value.
    Column("text", String),
    Column("number", Float),
    Column("flag", Boolean),
    Index("retrieval_file_attributes_by_text", "key", "text"),
    Index("retrieval_file_attributes_by_number", "key", "number"),
)
