"""Tables of evaluations."""

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

evaluations = Table(
    "adapter_evaluations",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("identity", String(64), nullable=False),
    Column("name", String, nullable=False),
    Column("persona", String, nullable=False),
    Column("adapter", String),
    Column("candidate", Integer),
    Column("current", Integer),
    Column("revision", String, nullable=False),
    Column("instructions", String(64), nullable=False),
    Column("definition", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("moves", Boolean, nullable=False),
    Column("by", String, nullable=False),
    Column("principal", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("error", JSON),
    Column("outcome", String),
    Column("reason", String),
    Column("result", Text),
    Index("adapter_evaluations_state", "state", "next_at"),
    Index("adapter_evaluations_version", "adapter", "candidate"),
)

answers = Table(
    "adapter_evaluation_answers",
    metadata,
    Column("evaluation", String, primary_key=True),
    Column("asked", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("answer", Text, nullable=False),
)
