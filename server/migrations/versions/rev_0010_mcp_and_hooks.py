"""The tools of MCP servers as they were accepted, and the jobs of signed webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "action_mcp_pins",
        sa.Column("server", sa.String(), primary_key=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("tools", sa.Text(), nullable=False),
        sa.Column("pinned_at", sa.Float(), nullable=False),
        sa.Column("pinned_by", sa.String(), nullable=False),
    )
    op.create_table(
        "server_hook_jobs",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("hook", sa.String(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("reference", sa.String()),
        sa.Column("callback_url", sa.String()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
        sa.UniqueConstraint("persona", "hook", "delivery", name="server_hook_jobs_delivery"),
    )
    op.create_index("server_hook_jobs_state", "server_hook_jobs", ["state", "next_at"])
    op.create_table(
        "server_hook_callbacks",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.Column("delivered_at", sa.Float()),
        sa.Column("last_status", sa.Integer()),
    )
    op.create_index("server_hook_callbacks_state", "server_hook_callbacks", ["state", "next_at"])
    op.create_index("server_hook_callbacks_job", "server_hook_callbacks", ["job"])
