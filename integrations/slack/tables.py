"""The tables of the program's own database."""

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("id", String, primary_key=True),
    Column("seen_at", Float, nullable=False, index=True),
)
"""Deliveries of Slack's that were taken; the same one again is dropped."""

questions = Table(
    "questions",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("app", String, nullable=False),
    Column("team", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("thread", String, nullable=False),
    Column("ts", String, nullable=False),
    Column("user", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("persona", String),
    Column("files", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("owner", String),
    Column("lease_until", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("questions_state", "state", "seq"),
    Index("questions_thread", "team", "channel", "thread"),
)
"""What people asked: waiting, answering (under a lease), done or dropped."""

replies = Table(
    "replies",
    metadata,
    Column("team", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("ts", String, primary_key=True),
    Column("question", Integer, nullable=False, index=True),
)
"""The messages that answer a question."""

threads = Table(
    "threads",
    metadata,
    Column("app", String, primary_key=True),
    Column("team", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("thread", String, primary_key=True),
    Column("persona", String, nullable=False),
    Column("store", String),
    Column("files", JSON, nullable=False),
    Column("quiet", Integer, nullable=False),
    Column("used_at", Float, nullable=False),
)
"""Conversations: who answers there, the store of their files, and whether follow-ups are left to people."""
