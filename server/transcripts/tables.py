"""The tables of transcripts: one row a turn, its texts apart, and one row on the upkeep of both."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table

metadata = MetaData()

turns = Table(
    "server_transcripts",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("principal", String, nullable=False),
    Column("user", String),
    Column("persona", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("adapter", String),
    Column("conversation", String, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("kept_from", Float, nullable=False),  # begins the days of retention; mended after a clock jump
    Column("seconds", Float, nullable=False),
    Column("first_token", Float),
    Column("retrieval", String, nullable=False),
    Column("sources", JSON, nullable=False, server_default="[]"),  # ids of the passages in the prompt
    Column("engine_calls", Integer, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("actions", JSON, nullable=False),  # name, state and seconds; never arguments
    Column("finish", String),
    Column("error", String),
    Column("abandoned", Boolean, nullable=False),
    Index("server_transcripts_by_age", "kept_from"),
    Index("server_transcripts_by_user", "principal", "user"),
    Index("server_transcripts_by_conversation", "conversation"),
    sqlite_autoincrement=True,
)

contents = Table(
    "server_transcript_contents",
    metadata,
    Column("seq", Integer, ForeignKey(turns.c.seq), primary_key=True, autoincrement=False),
    Column("messages", JSON, nullable=False),
    Column("answers", JSON, nullable=False),
    Column("passages", JSON, nullable=False),
    Column("steps", JSON, nullable=False),
)

upkeep = Table(
    "server_transcript_upkeep",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("clock_seen_at", Float),
    Column("clock_doubted_at", Float),
    Column("erasure_owed", Boolean, nullable=False),
    Column("expiry_owed", Boolean, nullable=False),
    Column("erased_at", Float),
)
"""One row, of the id 1.

clock_seen_at: the last time that was believed; clock_doubted_at: when a leap of the clock was first seen.
erasure_owed: rows were deleted on demand, and their bytes are still in the file; expiry_owed: the same of rows
whose days were over; erased_at: when the file was last rewritten.
"""
