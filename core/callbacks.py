"""What stands for a callback where the caller gives none."""


def nothing(*_: object) -> None:
    """Do nothing."""
