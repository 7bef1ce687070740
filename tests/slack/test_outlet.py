"""What goes out to Slack while an answer comes, and when."""

from collections.abc import Sequence

import anyio
import pytest

from integrations.slack.message import Blocks
from integrations.slack.outlet import Outlet
from integrations.slack.workspace import SlackRefused
from tests.slack.conftest import until

pytestmark = pytest.mark.anyio
PAUSE = 0.05
LONG = 2.0
"""A pause that no busy machine lets pass unseen."""
TASK = {"id": "documents"}


class Shown:
    """A message that keeps what it was told."""

    room = 11_000

    def __init__(self, refuses: str = "") -> None:
        self.calls: list[str] = []
        self.ended = self.refused = False
        self._refuses = refuses

    @property
    def text(self) -> str:
        return "".join(self.calls)

    async def add(self, text: str, tasks: Blocks) -> None:
        if text and self._refuses:
            self.refused = True
            raise SlackRefused("chat.appendStream", self._refuses)
        await anyio.sleep(PAUSE)  # a call takes its time
        self.calls.append(text)

    async def end(self, text: str, tasks: Blocks, blocks: Sequence[object]) -> None:
        self.calls.append(text)
        self.ended = True


async def test_what_came_is_shown_though_nothing_more_comes() -> None:
    shown = Shown()
    outlet = Outlet(lambda: shown, pause=LONG)
    await outlet.task(TASK)
    async with outlet.keeping_up():
        await outlet.write("The library opens")
        assert shown.text == ""  # too early after the task
        await until(lambda: shown.text == "The library opens")
        await outlet.write(" at nine")
        await until(lambda: shown.text == "The library opens at nine")
        assert not shown.ended


async def test_a_call_of_the_timer_is_not_cut_by_the_end() -> None:
    for early in range(10):
        shown = Shown()
        outlet = Outlet(lambda shown=shown: shown, pause=PAUSE)  # type: ignore[misc]
        await outlet.task(TASK)
        async with outlet.keeping_up():
            await outlet.write("The library ")
            await anyio.sleep(PAUSE * early / 5)
            await outlet.write("opens")
            await outlet.end(())
        assert shown.text == "The library opens"


async def test_what_the_timer_could_not_send_fails_at_the_next_piece() -> None:
    shown = Shown("channel_not_found")
    outlet = Outlet(lambda: shown, pause=LONG)
    await outlet.task(TASK)
    async with outlet.keeping_up():
        await outlet.write("The library")
        await until(lambda: shown.refused)
        with pytest.raises(SlackRefused, match="channel_not_found"):
            await outlet.write(" opens")
