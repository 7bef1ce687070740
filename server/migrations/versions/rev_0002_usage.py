"""Limits of keys, and what they have used."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of usage."""
