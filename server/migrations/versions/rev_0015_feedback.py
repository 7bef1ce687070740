"""What people think of answers, and which passages a turn was given."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table and the column."""
    op.add_column("server_transcripts", sa.Column("sources", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "server_feedback",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("rating", sa.String(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("user", sa.String()),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("adapter", sa.String()),
        sa.Column("conversation", sa.String(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.UniqueConstraint("answer", "by", name="server_feedback_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("server_feedback_by_age", "server_feedback", ["created_at"])
