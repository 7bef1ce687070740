"""The table of uploaded files; their bytes lie in the folder of blobs, by content."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table

metadata = MetaData()

files = Table(
    "server_files",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("principal", String, nullable=False),
    Column("filename", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Index("server_files_by_principal", "principal", "seq"),
    Index("server_files_by_content", "sha256"),
    sqlite_autoincrement=True,
)
