"""Transcripts of conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of transcripts."""
    op.create_table(
        "server_transcripts",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=True),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=True),
        sa.Column("conversation", sa.String(), nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.Column("kept_from", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("first_token", sa.Float(), nullable=True),
        sa.Column("retrieval", sa.String(), nullable=False),
        sa.Column("engine_calls", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("actions", sa.JSON(), nullable=False),
        sa.Column("finish", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("abandoned", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("server_transcripts_by_age", "server_transcripts", ["kept_from"])
    op.create_index("server_transcripts_by_user", "server_transcripts", ["principal", "user"])
    op.create_index("server_transcripts_by_conversation", "server_transcripts", ["conversation"])
    op.create_table(
        "server_transcript_contents",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("passages", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["server_transcripts.seq"]),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "server_transcript_upkeep",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("clock_seen_at", sa.Float(), nullable=True),
        sa.Column("clock_doubted_at", sa.Float(), nullable=True),
        sa.Column("erasure_owed", sa.Boolean(), nullable=False),
        sa.Column("expiry_owed", sa.Boolean(), nullable=False),
        sa.Column("erased_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
