"""The one way in which set-up gives up: a sentence for the person at the terminal."""


class SetupFailed(Exception):
    """Set-up cannot go on; the message says why and what to do, in one sentence."""
