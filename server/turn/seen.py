"""What is seen of an answer while it is given, where a rollout looks at it: how its text begins, how it ends.

It lives as long as the turn, and is kept nowhere.
"""

from adapters.rollouts.tally import Fault
from server.engine_port import Message, Payload

_MOST = 8_000
_LONGEST_PERIOD = 150
_LEAST_LOOP = 80
_TIMES = 4


class Seen:
    """The last answer of the engine in a turn.

    Attributes:
        payload: what the engine was asked.
        text: the beginning of its answer.
        calls: whether it called a tool.
    """

    def __init__(self) -> None:
        self.payload: Payload | None = None
        self.begin()

    def begin(self) -> None:
        """Forget what was seen: another call to the engine begins."""
        self.text, self.calls, self._tail = "", False, ""

    def add(self, message: Message) -> None:
        """See a whole message, or the next piece of one."""
        if content := message.get("content"):
            if len(self.text) < _MOST:
                self.text += content
            self._tail = (self._tail + content)[-_LONGEST_PERIOD * _TIMES :]
        self.calls = self.calls or bool(message.get("tool_calls"))

    def fault(self, finish: str | None) -> Fault:
        """Return what is wrong with it, as far as that can be seen."""
        if not self.text.strip() and not self.calls:
            return Fault.EMPTY
        if loops(self._tail):
            return Fault.REPEATED
        return Fault.TRUNCATED if finish == "length" else Fault.NONE


def loops(text: str) -> bool:
    """Tell whether a text ends in the same words over and over: four times, and for 80 characters at least."""
    for period in range(1, _LONGEST_PERIOD + 1):
        length = max(_TIMES * period, _LEAST_LOOP)
        if len(text) < length:
            return False
        if text[-1] == text[-1 - period] and text[-length:-period] == text[-length + period :]:
            return True
    return False
