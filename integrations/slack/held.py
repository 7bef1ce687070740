"""A message that is written only while its question is this process's: one that stood still may have lost it."""

from collections.abc import Awaitable, Callable

from core.errors import RepertoryError
from integrations.slack.message import Blocks, Growing

Hold = Callable[[], Awaitable[None]]
"""Renews the lease of the question that is answered, or raises `LeaseLost`."""


class LeaseLost(RepertoryError):
    """Another process has taken the question over, so nothing more may be said here."""

    code = "lease_lost"


class Held:
    """A growing message whose lease is renewed before each call of Slack.

    The timer that renews leases stands still with its process, so it may be late by one call.
    """

    def __init__(self, message: Growing, hold: Hold) -> None:
        self._message = message
        self._hold = hold
        self.room = message.room

    async def add(self, text: str, tasks: Blocks) -> None:
        """Show more, if it is ours to show."""
        await self._hold()
        await self._message.add(text, tasks)

    async def end(self, text: str, tasks: Blocks, blocks: Blocks) -> None:
        """End the message, if it is ours to end."""
        await self._hold()
        await self._message.end(text, tasks, blocks)
