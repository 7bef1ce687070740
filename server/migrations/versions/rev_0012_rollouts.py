"""Rollouts with what their turns came to, retirements, aliases and model cards."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "adapter_rollouts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("baseline", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String()),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float()),
        sa.ForeignKeyConstraint(["adapter", "version"], ["adapter_versions.name", "adapter_versions.version"]),
    )
    op.create_index(
        "adapter_rollouts_live",
        "adapter_rollouts",
        ["adapter"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "adapter_rollout_steps",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("rollout", sa.String(), nullable=False),
        sa.Column("did", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_index("ix_adapter_rollout_steps_rollout", "adapter_rollout_steps", ["rollout"])
    op.create_table(
        "adapter_rollout_units",
        sa.Column("rollout", sa.String(), primary_key=True),
        sa.Column("unit", sa.String(32), primary_key=True),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_table(
        "adapter_rollout_turns",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("rollout", sa.String(), nullable=False),
        sa.Column("response", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("similarity", sa.Float()),
        sa.Column("at", sa.Float(), nullable=False),
        sa.UniqueConstraint("rollout", "response", "arm"),
    )
    op.create_table(
        "adapter_rollout_outcomes",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("rollout", sa.String(), nullable=False),
        sa.Column("response", sa.String(), nullable=False),
        sa.Column("good", sa.Boolean()),
        sa.Column("unsafe", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.UniqueConstraint("rollout", "response"),
    )
    op.create_table(
        "adapter_retirements",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("successor", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("said_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "adapter_aliases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("alias", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["name", "version"], ["adapter_versions.name", "adapter_versions.version"]),
    )
    op.create_table(
        "adapter_cards",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["name", "version"], ["adapter_versions.name", "adapter_versions.version"]),
    )
