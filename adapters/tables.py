"""Tables of the adapter registry."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
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
