"""Evaluations of adapter versions, and their answers."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "adapter_evaluations",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("adapter", sa.String()),
        sa.Column("candidate", sa.Integer()),
        sa.Column("current", sa.Integer()),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("instructions", sa.String(64), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("principal", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
        sa.Column("error", sa.JSON()),
        sa.Column("outcome", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("result", sa.Text()),
    )
    op.create_index("adapter_evaluations_state", "adapter_evaluations", ["state", "next_at"])
    op.create_index("adapter_evaluations_version", "adapter_evaluations", ["adapter", "candidate"])
    op.create_table(
        "adapter_evaluation_answers",
        sa.Column("evaluation", sa.String(), primary_key=True),
        sa.Column("asked", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("answer", sa.Text(), nullable=False),
    )
