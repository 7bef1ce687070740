"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    _make_retrieval()
    _make_passages()
    _make_adapters()
    _make_actions()
    _make_server()


def _make_retrieval() -> None:
    op.create_table(
        "retrieval_stores",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("embedder", sa.String(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("synced_at", sa.Float(), nullable=True),
        sa.Column("index_generation", sa.Integer(), nullable=True),
        sa.Column("index_sha256", sa.String(), nullable=True),
        sa.Column("index_count", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "retrieval_vectors",
        sa.Column("embedder", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("embedder", "text_hash"),
    )
    op.create_table(
        "retrieval_documents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("store_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["store_id"],
            ["retrieval_stores.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("store_id", "path"),
    )


def _make_passages() -> None:
    op.create_table(
        "retrieval_passages",
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("store_id", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("heading", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["retrieval_documents.id"],
        ),
        sa.ForeignKeyConstraint(
            ["store_id"],
            ["retrieval_stores.id"],
        ),
        sa.PrimaryKeyConstraint("row"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("retrieval_passages_by_document", "retrieval_passages", ["document_id"], unique=False)
    op.create_index("retrieval_passages_by_store", "retrieval_passages", ["store_id"], unique=False)
    op.create_index("retrieval_passages_by_text", "retrieval_passages", ["text_hash"], unique=False)
    op.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS retrieval_passages_fts USING fts5("
        "title, heading, text, content='retrieval_passages', content_rowid='row', tokenize='porter unicode61')"
    )
    op.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS retrieval_vocabulary USING fts5vocab('retrieval_passages_fts', 'row')"
    )


def _make_adapters() -> None:
    op.create_table(
        "adapter_versions",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("base_fingerprint", sa.String(), nullable=False),
        sa.Column("template_hash", sa.String(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
        sa.UniqueConstraint("name", "digest"),
    )
    op.create_table(
        "adapter_probes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("probe", sa.JSON(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"],
            ["adapter_versions.name", "adapter_versions.version"],
        ),
        sa.PrimaryKeyConstraint("name", "version"),
    )
    op.create_table(
        "adapter_production",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"],
            ["adapter_versions.name", "adapter_versions.version"],
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "adapter_transitions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=True),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"],
            ["adapter_versions.name", "adapter_versions.version"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _make_actions() -> None:
    op.create_table(
        "action_approvals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("conversation", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("arguments_hash", sa.String(length=64), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("sent_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("result_text", sa.Text(), nullable=True),
        sa.Column("result_status", sa.Integer(), nullable=True),
        sa.Column("result_ok", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "action_approvals_live_call",
        "action_approvals",
        ["principal", "persona", "conversation", "operation", "arguments_hash"],
        unique=True,
        sqlite_where=sa.text("state IN ('pending', 'approved', 'sent')"),
        postgresql_where=sa.text("state IN ('pending', 'approved', 'sent')"),
    )
    op.create_index("action_approvals_state", "action_approvals", ["state"], unique=False)


def _make_server() -> None:
    op.create_table(
        "server_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("personas", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("bootstrap", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("secret_hash"),
    )
    op.create_table(
        "server_reported_approvals",
        sa.Column("approval_id", sa.String(), nullable=False),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("reported_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("approval_id"),
    )
