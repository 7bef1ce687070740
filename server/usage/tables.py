"""The table of usage: one row for each day, holder and persona."""

from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()

usage = Table(
    "server_usage",
    metadata,
    Column("day", String, primary_key=True),
    Column("principal", String, primary_key=True),
    Column("persona", String, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("abandoned", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("estimated", Integer, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
)
