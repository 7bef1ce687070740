"""Words have an index of their own instead of SQLite's full text, and a column that nobody read is gone."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Drop the full text; the index of words is built at the next search."""
    op.execute("DROP TABLE retrieval_vocabulary")
    op.execute("DROP TABLE retrieval_passages_fts")
    op.drop_column("retrieval_stores", "index_generation")
    op.add_column("retrieval_stores", sa.Column("words_sha256", sa.String(), nullable=True))
