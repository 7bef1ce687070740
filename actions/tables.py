"""The tables of this feature."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData()

approvals = Table(
    "action_approvals",
    metadata,
    Column("id", String, primary_key=True),
    Column("principal", String, nullable=False),
    Column("persona", String, nullable=False),
    Column("conversation", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("arguments_hash", String(64), nullable=False),
    Column("effect", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("decided_at", Float),
    Column("decided_by", String),
    Column("sent_at", Float),
    Column("finished_at", Float),
    Column("result_text", Text),
    Column("result_status", Integer),
    Column("result_ok", Boolean),
    Column("edited_arguments", Text),
    Column("edited_effect", Text),
    Index("action_approvals_state", "state"),
    Index(
        "action_approvals_live_call",
        "principal",
        "persona",
        "conversation",
        "operation",
        "arguments_hash",
        unique=True,
        sqlite_where=text("state IN ('pending', 'approved', 'sent')"),
        postgresql_where=text("state IN ('pending', 'approved', 'sent')"),
    ),
)

connects = Table(
    "action_connects",
    metadata,
    Column("id", String, primary_key=True),
    Column("principal", String, nullable=False),
    Column("persona", String, nullable=False),
    Column("secret", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)

connections = Table(
    "action_connections",
    metadata,
    Column("principal", String, primary_key=True),
    Column("secret", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("sealed", Text),
    Column("scopes", Text, nullable=False),
    Column("connected_at", Float, nullable=False),
    Column("obtained_at", Float, nullable=False),
    Column("expires_at", Float),
)

calls = Table(
    "action_calls",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("principal", String, nullable=False),
    Column("persona", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("conversation", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("target", String, nullable=False),
    Column("arguments_hash", String(64), nullable=False),
    Column("arguments", Text),
    Column("approval", String),
    Column("decided_by", String),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer),
    Column("created_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("finished_at", Float),
    Index("action_calls_state", "state"),
    Index("action_calls_conversation", "conversation"),
    Index("action_calls_created_at", "created_at"),
    Index("action_calls_persona", "persona"),
    sqlite_autoincrement=True,
)

mcp_pins = Table(
    "action_mcp_pins",
    metadata,
    Column("server", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("tools", Text, nullable=False),
    Column("pinned_at", Float, nullable=False),
    Column("pinned_by", String, nullable=False),
)
