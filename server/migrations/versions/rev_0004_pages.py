"""Pages of passages, and what was left out of a document."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; what was read before has no pages."""
    op.add_column("retrieval_passages", sa.Column("page", sa.Integer(), nullable=True))
    op.add_column("retrieval_documents", sa.Column("warning", sa.Text(), nullable=True))
