"""The one error of reading files. Knows no format."""


class FileRefusedError(Exception):
    """This file cannot be taken in.

    Attributes:
        reason: why, and what its owner can do, in words for them.
        keeps_last_good: True where the file is still there but unreadable, so that what was read of it
            before stays; False where nothing of it should be served any more.
        passing: True where the reason lies in the machine, so that the same bytes may be read another time.
    """

    def __init__(self, reason: str, *, keeps_last_good: bool = True, passing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.keeps_last_good = keeps_last_good
        self.passing = passing
