"""What a data set holds once it is checked: examples to imitate, and pairs to prefer. Knows no file, no rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class FunctionCall(TypedDict):
    """The function that an assistant calls; arguments are parsed, as the engine does before it renders."""

    name: str
    arguments: dict[str, JsonValue]


class ToolCall(TypedDict):
    """One call of an assistant."""

    id: str
    type: str
    function: FunctionCall


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `learnt` is false where the data says `weight: 0` or where another speaks."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    learnt: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What a row tells of itself beside its text.

    Attributes:
        label: the intent or class that it stands for.
        group: what it belongs to, such as a conversation; a group is never split.
        reviewer: who has verified it.
        tags: words such as `refusal`.
    """

    label: str | None = None
    group: str | None = None
    reviewer: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation to learn from, and the tools that it knew.

    Attributes:
        rejected: the answer to avoid, where the row is a pair; `messages` then end with the one to prefer.
    """

    line: int
    messages: tuple[Message, ...]
    tools: tuple[dict[str, JsonValue], ...] = ()
    about: About = About()
    rejected: tuple[Message, ...] = ()

    @property
    def system(self) -> str | None:
        """The system prompt, if there is one."""
        first = self.messages[0]
        return first.content if first.role in ("system", "developer") else None

    @property
    def prompt(self) -> str:
        """What the others said before the last answer, without the system prompt."""
        return "\n".join(message.content for message in self._asked())

    @property
    def answer(self) -> Message:
        """The last message, which is learnt or preferred."""
        return self.messages[-1]

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text with the path of the message in the example."""
        for place, message in enumerate((*self.messages, *self.rejected)):
            yield f"messages[{place}].content", message.content

    def _asked(self) -> Iterator[Message]:
        return (message for message in self.messages[:-1] if message.role not in ("system", "developer"))
