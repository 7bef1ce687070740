"""Fine-tuning jobs, their steps and events, and who works on them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables."""
    _make_jobs()
    op.create_table(
        "adapter_job_steps",
        sa.Column("job", sa.String(), primary_key=True),
        sa.Column("step", sa.String(), primary_key=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float()),
        sa.Column("outcome", sa.JSON()),
    )
    op.create_table(
        "adapter_job_events",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.UniqueConstraint("job", "key", name="adapter_job_events_key"),
    )
    op.create_index("adapter_job_events_job", "adapter_job_events", ["job", "seq"])
    op.create_table(
        "adapter_leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
    )


def _make_jobs() -> None:
    op.create_table(
        "adapter_jobs",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("persona", sa.String()),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("suffix", sa.String()),
        sa.Column("training_file", sa.String(), nullable=False),
        sa.Column("validation_file", sa.String()),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("asked", sa.String()),
        sa.Column("holder", sa.String()),
        sa.Column("config", sa.JSON()),
        sa.Column("version", sa.Integer()),
        sa.Column("trained_tokens", sa.Integer()),
        sa.Column("result_files", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("estimated_finish", sa.Float()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
    )
    op.create_index("adapter_jobs_principal", "adapter_jobs", ["principal", "seq"])
    op.create_index("adapter_jobs_status", "adapter_jobs", ["status", "seq"])
