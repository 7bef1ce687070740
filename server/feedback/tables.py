"""The table of this feature: one row for each person's opinion of an answer."""

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

opinions = Table(
    "server_feedback",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("answer", String, nullable=False),
    Column("rating", String, nullable=False),
    Column("reason", Text),
    Column("by", String, nullable=False),
    Column("principal", String, nullable=False),
    Column("user", String),
    Column("persona", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("adapter", String),
    Column("conversation", String, nullable=False),
    Column("sources", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("answer", "by", name="server_feedback_once"),
    Index("server_feedback_by_age", "created_at"),
    sqlite_autoincrement=True,
)
