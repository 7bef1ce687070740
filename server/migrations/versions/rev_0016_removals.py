"""Which passages have gone lately, so that a search need not compare all row numbers to learn it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make the table, and the trigger that fills it; an index from before compares once."""
    op.create_table(
        "retrieval_removals",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("store_id", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("retrieval_removals_by_store", "retrieval_removals", ["store_id"])
    op.execute(
        "CREATE TRIGGER IF NOT EXISTS retrieval_passage_removed AFTER DELETE ON retrieval_passages BEGIN"
        ' INSERT INTO retrieval_removals (store_id, "row") VALUES (OLD.store_id, OLD."row");'
        " DELETE FROM retrieval_removals WHERE seq <= last_insert_rowid() - 100000;"
        " END"
    )
