"""The tables of this feature."""

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

jobs = Table(
    "server_hook_jobs",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("persona", String, nullable=False),
    Column("hook", String, nullable=False),
    Column("delivery", String, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("question", Text, nullable=False),
    Column("reference", String),
    Column("callback_url", String),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    UniqueConstraint("persona", "hook", "delivery", name="server_hook_jobs_delivery"),
    Index("server_hook_jobs_state", "state", "next_at"),
)

callbacks = Table(
    "server_hook_callbacks",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("job", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("delivered_at", Float),
    Column("last_status", Integer),
    Index("server_hook_callbacks_state", "state", "next_at"),
    Index("server_hook_callbacks_job", "job"),
)
