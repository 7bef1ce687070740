"""Backups of the data directory: taken while the server runs, restored into an empty folder."""

from server.backup.restoration import Restored, restore
from server.backup.taking import Taken, take

__all__ = ["Restored", "Taken", "restore", "take"]
