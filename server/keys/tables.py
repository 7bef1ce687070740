"""The table of API keys. Holds hashes only."""

from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table

metadata = MetaData()

keys = Table(
    "server_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("secret_hash", String, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("personas", JSON(none_as_null=True), nullable=True),
    Column("bootstrap", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float, nullable=True),
    Column("requests_per_minute", Integer, nullable=True),
    Column("tokens_per_minute", Integer, nullable=True),
    Column("requests_per_day", Integer, nullable=True),
    Column("tokens_per_day", Integer, nullable=True),
)
