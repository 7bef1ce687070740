"""Tables of fine-tuning jobs."""

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

jobs = Table(
    "adapter_jobs",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("principal", String, nullable=False),
    Column("model", String, nullable=False),
    Column("persona", String),
    Column("adapter", String, nullable=False),
    Column("suffix", String),
    Column("training_file", String, nullable=False),
    Column("validation_file", String),
    Column("wish", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("status", String, nullable=False),
    Column("asked", String),
    Column("holder", String),
    Column("config", JSON),
    Column("version", Integer),
    Column("trained_tokens", Integer),
    Column("result_files", JSON, nullable=False),
    Column("error", JSON),
    Column("estimated_finish", Float),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Index("adapter_jobs_principal", "principal", "seq"),
    Index("adapter_jobs_status", "status", "seq"),
)

steps = Table(
    "adapter_job_steps",
    metadata,
    Column("job", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("outcome", JSON),
)

events = Table(
    "adapter_job_events",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("job", String, nullable=False),
    Column("key", String, nullable=False),
    Column("level", String, nullable=False),
    Column("type", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("job", "key", name="adapter_job_events_key"),
    Index("adapter_job_events_job", "job", "seq"),
)

leases = Table(
    "adapter_leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", Float, nullable=False),
)
