"""What is known of a store's index: whose vectors, which kind, and how much it finds."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; an index from before is built again at the next search."""
    op.add_column("retrieval_stores", sa.Column("index_embedder", sa.String(), nullable=True))
    op.add_column("retrieval_stores", sa.Column("index_kind", sa.String(), nullable=True))
    op.add_column("retrieval_stores", sa.Column("index_recall", sa.Float(), nullable=True))
