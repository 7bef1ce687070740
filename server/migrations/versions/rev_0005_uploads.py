"""Uploaded files, vector stores, and what of a folder could not be read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables; what was read of folders stays as it is."""
    op.create_table(
        "retrieval_file_failures",
        sa.Column("store_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["store_id"], ["retrieval_stores.id"]),
        sa.PrimaryKeyConstraint("store_id", "path"),
    )
    op.create_table(
        "server_files",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("server_files_by_principal", "server_files", ["principal", "seq"])
    op.create_index("server_files_by_content", "server_files", ["sha256"])
    op.create_table(
        "retrieval_vector_stores",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("expires_days", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_active_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("retrieval_vector_stores_by_principal", "retrieval_vector_stores", ["principal", "seq"])
    op.create_table(
        "retrieval_store_shares",
        sa.Column("vector_store", sa.String(), nullable=False),
        sa.Column("reader", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["vector_store"], ["retrieval_vector_stores.id"]),
        sa.PrimaryKeyConstraint("vector_store", "reader"),
    )
    op.create_table(
        "retrieval_file_batches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("vector_store", sa.String(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["vector_store"], ["retrieval_vector_stores.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("retrieval_file_batches_by_store", "retrieval_file_batches", ["vector_store"])
    _make_store_files()


def _make_store_files() -> None:
    op.create_table(
        "retrieval_store_files",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("vector_store", sa.String(), nullable=False),
        sa.Column("file_id", sa.String(), nullable=False),
        sa.Column("batch", sa.String(), nullable=True),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("max_tokens", sa.Integer(), nullable=True),
        sa.Column("overlap_tokens", sa.Integer(), nullable=True),
        sa.Column("usage_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["vector_store"], ["retrieval_vector_stores.id"]),
        sa.ForeignKeyConstraint(["batch"], ["retrieval_file_batches.id"]),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("vector_store", "file_id"),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("status", ["status", "seq"]),
        ("file", ["file_id"]),
        ("batch", ["batch"]),
        ("document", ["document_id"]),
    ):
        op.create_index(f"retrieval_store_files_by_{name}", "retrieval_store_files", columns)
    op.create_table(
        "retrieval_file_attributes",
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("flag", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["retrieval_store_files.seq"]),
        sa.PrimaryKeyConstraint("entry", "key"),
    )
    op.create_index("retrieval_file_attributes_by_text", "retrieval_file_attributes", ["key", "text"])
    op.create_index("retrieval_file_attributes_by_number", "retrieval_file_attributes", ["key", "number"])
