"""Limits of keys, and what they have used."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_LIMITS = ("requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day")


def upgrade() -> None:
    """Add the limits, and make the table of usage."""
    for limit in _LIMITS:
        op.add_column("server_keys", sa.Column(limit, sa.Integer(), nullable=True))
    op.create_table(
        "server_usage",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("abandoned", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("estimated", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "principal", "persona"),
    )
