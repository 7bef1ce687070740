"""Tables of the adapter registry."""

from sqlalchemy import (
    JSON,
    BigInteger,
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
