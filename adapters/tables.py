"""Tables of the adapter registry."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

versions = Table(
    "adapter_versions",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("digest", String, nullable=False),
    Column("manifest_digest", String, nullable=False),
    Column("base_fingerprint", String, nullable=False),
    Column("template_hash", String, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("name", "digest"),
)


def _to_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["name", "version"], ["adapter_versions.name", "adapter_versions.version"])


transitions = Table(
    "adapter_transitions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("from_state", String),
    Column("to_state", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("override", Boolean, nullable=False),
    Column("at", Float, nullable=False),
    _to_version(),
)

production = Table(
    "adapter_production",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("since", Float, nullable=False),
    _to_version(),
)

probes = Table(
    "adapter_probes",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("probe", JSON, nullable=False),
    Column("at", Float, nullable=False),
    _to_version(),
)

datasets = Table(
    "adapter_datasets",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("format", String, nullable=False),
    Column("label_key", String, nullable=False),
    Column("source", String, nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("personal_data", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("by", String, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("name", "sha256"),
)

dataset_parts = Table(
    "adapter_dataset_parts",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("split", String(16), primary_key=True),
    Column("part", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    ForeignKeyConstraint(["name", "version"], ["adapter_datasets.name", "adapter_datasets.version"]),
)

rollouts = Table(
    "adapter_rollouts",
    metadata,
    Column("id", String, primary_key=True),
    Column("adapter", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("baseline", Integer, nullable=False),
    Column("stage", String, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("salt", String, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("outcome", String),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    ForeignKeyConstraint(["adapter", "version"], ["adapter_versions.name", "adapter_versions.version"]),
)
Index(
    "adapter_rollouts_live",
    rollouts.c.adapter,
    unique=True,
    sqlite_where=rollouts.c.ended_at.is_(None),
)

rollout_steps = Table(
    "adapter_rollout_steps",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rollout", String, nullable=False, index=True),
    Column("did", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", Float, nullable=False),
)

rollout_units = Table(
    "adapter_rollout_units",
    metadata,
    Column("rollout", String, primary_key=True),
    Column("unit", String(32), primary_key=True),
    Column("arm", String, nullable=False),
    Column("at", Float, nullable=False),
)

rollout_turns = Table(
    "adapter_rollout_turns",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("rollout", String, nullable=False),
    Column("response", String, nullable=False),
    Column("arm", String, nullable=False),
    Column("unit", String(32), nullable=False),
    Column("stage", String, nullable=False),
    Column("fault", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("similarity", Float),
    Column("at", Float, nullable=False),
    UniqueConstraint("rollout", "response", "arm"),
)

rollout_outcomes = Table(
    "adapter_rollout_outcomes",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("rollout", String, nullable=False),
    Column("response", String, nullable=False),
    Column("good", Boolean),
    Column("unsafe", Boolean, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("rollout", "response"),
)

retirements = Table(
    "adapter_retirements",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("successor", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("said_at", Float, nullable=False),
)

aliases = Table(
    "adapter_aliases",
    metadata,
    Column("name", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Float, nullable=False),
    _to_version(),
)

cards = Table(
    "adapter_cards",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("told", JSON, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Float, nullable=False),
    _to_version(),
)
