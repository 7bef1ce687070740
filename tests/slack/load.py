"""Many mentions in many threads while everything goes wrong, and the reckoning of what was answered."""

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio

from tests.fakes.engine import FakeEngine, Reply
from tests.fakes.slack import BOT_USER, GENERAL, FakeSlack
from tests.slack.conftest import until

_NUMBER = re.compile(r"Question (\d+)\.")
_TOLD = re.compile(r"Answer (\d+) of the librarian\.")
_EXCUSE = "ask me again"
_METHODS = ("chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update", "conversations.replies")


def echo(chance: random.Random) -> Any:
    """Return a model that answers each question by its number, and sometimes breaks off."""

    def answer(body: dict[str, Any]) -> Reply:
        asked = [one["content"] for one in body["messages"] if one["role"] == "user"][-1]
        found = _NUMBER.search(asked)
        text = f"Answer {found[1] if found else '?'} of the librarian."
        fate = chance.random()
        if fate < 0.03:
            return Reply(text, error_after=2)
        if fate < 0.06:
            return Reply(text, dies_after=2)
        return Reply(text, pause=chance.choice([0, 0, 0.01]))

    return answer


@dataclass
class Load:
    """Mentions and what came of them.

    Attributes:
        asked: thread → numbers of its questions.
    """

    slack: FakeSlack
    engine: FakeEngine
    chance: random.Random
    asked: dict[str, list[int]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)

    async def ask(self, mentions: int, threads: int) -> None:
        """Mention the app again and again, mostly in threads that are there."""
        roots: list[str] = []
        for number in range(mentions):
            text = f"<@{BOT_USER}> Question {number}. When does the library open?"
            if number < threads:
                roots.append(self.slack.say(text))
                self.asked[roots[-1]] = [number]
            else:
                root = self.chance.choice(roots)
                self.asked[root].append(number)
                self.slack.say(text, thread=root)
            self._harm()
            await anyio.sleep(0.01)

    def _harm(self) -> None:
        fate = self.chance.random()
        if fate < 0.05:
            self.slack.deliveries.deaf += 1
            self.faults["acknowledgement lost"] += 1
        elif fate < 0.10:
            method = self.chance.choice(_METHODS)
            self.slack.broken[method] = self.slack.broken.get(method, 0) + 1
            self.faults[f"{method} broken"] += 1
        elif fate < 0.12:
            self.slack.streams = not self.slack.streams
            self.faults["streaming on or off"] += 1
        elif fate < 0.14:
            self.slack.stream_appends = self.chance.choice([None, 0, 1])
            self.faults["streams expire"] += 1
        elif fate < 0.16:
            delivery = self.chance.choice(self.slack.deliveries.made)
            self.slack.deliveries.again(delivery)
            self.faults["event repeated"] += 1
        elif fate < 0.165:
            self.slack.deliveries.cut()
            self.faults["socket cut"] += 1

    def wrong(self) -> list[str]:
        """Return what is wrong: questions without an answer, or with two."""
        found = []
        for root, numbers in self.asked.items():
            answers = [str(one["text"]) for one in self.slack.answers(GENERAL, root)]
            if len(answers) != len(numbers):
                found.append(f"{root}: {len(numbers)} questions, {len(answers)} answers: {answers}")
                continue
            told = Counter(int(number) for answer in answers for number in _TOLD.findall(answer))
            missing = [number for number in numbers if number not in told]
            excused = [answer for answer in answers if _EXCUSE in answer]
            if max(told.values(), default=1) > 1 or set(told) - set(numbers) or len(missing) > len(excused):
                found.append(f"{root}: {numbers} were answered {answers}")
        return found

    def whole(self) -> int:
        """Return how many answers are whole and no excuse."""
        texts = [str(one["text"]) for root in self.asked for one in self.slack.answers(GENERAL, root)]
        return sum(_EXCUSE not in text for text in texts)

    async def settled(self, seconds: float) -> None:
        """Wait until every thread has as many answers as questions, and none is being written."""

        def done() -> bool:
            return all(
                len(answers := self.slack.answers(GENERAL, root)) >= len(numbers)
                and not any(one.get("streaming") for one in answers)
                and all(one["text"] for one in answers)
                for root, numbers in self.asked.items()
            )

        with anyio.move_on_after(seconds):  # the reckoning then says what is missing
            await until(done, seconds + 1)
            await anyio.sleep(1)  # what would come twice comes now
