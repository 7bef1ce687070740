"""The journal of calls, and what a person made of a call when approving it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table and the columns; calls from before are known by their approvals alone."""
    op.add_column("action_approvals", sa.Column("edited_arguments", sa.Text(), nullable=True))
    op.add_column("action_approvals", sa.Column("edited_effect", sa.Text(), nullable=True))
    op.create_table(
        "action_calls",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("conversation", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("arguments_hash", sa.String(64), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("approval", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("action_calls_state", "action_calls", ["state"])
    op.create_index("action_calls_conversation", "action_calls", ["conversation"])
    op.create_index("action_calls_created_at", "action_calls", ["created_at"])
    op.create_index("action_calls_persona", "action_calls", ["persona"])
