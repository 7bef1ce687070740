"""A clock that stands until a test moves it."""


class MovedClock:
    """Seconds since some beginning."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now
