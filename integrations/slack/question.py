"""What somebody asked in Slack, wherever they did. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a question came."""

    MENTION = "mention"
    DIRECT = "direct"
    FOLLOW_UP = "follow_up"
    COMMAND = "command"
    SHORTCUT = "shortcut"
    DECIDED = "decided"  # a call was approved or denied: the conversation goes on
    EDITED = "edited"


class State(StrEnum):
    """What became of it."""

    WAITING = "waiting"
    ANSWERING = "answering"
    DONE = "done"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Place:
    """A thread in a channel of a workspace, as one Slack app sees it."""

    app: str
    team: str
    channel: str
    thread: str

    @property
    def conversation(self) -> str:
        """How the thread is called at the server."""
        return f"slack:{self.team}:{self.channel}:{self.thread}"


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        key: the same for every delivery of the same question.
        ts: Slack's time of the message, which is its id in the channel.
        persona: whom the asker named, if anybody.
        files: those that came with the message, as Slack describes them.
        seq: its number in the ledger; 0 before it is there.
        attempts: how often an answer was begun.
    """

    key: str
    place: Place
    ts: str
    user: str
    text: str
    kind: Kind
    persona: str | None = None
    files: Sequence[Mapping[str, object]] = field(default_factory=tuple)
    seq: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Thread:
    """What is remembered of a conversation.

    Attributes:
        store: vector store of the files that were shared in it.
        files: Slack's id of a file → ours.
        quiet: a person has taken over, so only mentions are answered.
    """

    persona: str
    store: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
