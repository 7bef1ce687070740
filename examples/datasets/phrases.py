"""The hand-written phrases behind the demo data sets, read from `wording/*.yaml` and checked.

Owns their shape and which of them belong to which split; must never know how rows are put together.
"""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
_FOLDER = Path(__file__).with_name("wording")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Texts(_Strict):
    """Sentences or names of each split."""

    train: list[str]
    valid: list[str]
    test: list[str]

    def of(self, split: Split) -> list[str]:
        """Return what may be used in `split`."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[split]


class Fact(_Strict):
    """A passage with open numbers and the answer that it supports."""

    title: str
    heading: str
    text: str
    answer: str
    questions: list[str] = []


class Note(_Strict):
    """A team note with open names, and what the board should show for it."""

    note: str
    owner: str
    summary: str


class Notes(_Strict):
    """Notes of one type for each split."""

    train: list[Note]
    valid: list[Note]
    test: list[Note]

    def of(self, split: Split) -> list[Note]:
        """Return what may be used in `split`."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[split]


class ActionRequest(_Strict):
    """A request that needs an action, with the arguments that it should lead to."""

    request: str
    query: str | None = None
    status: str | None = None
    title: str | None = None
    description: str | None = None
    priority: str | None = None


class SmallTalk(_Strict):
    """What people say beside the work, and what to say back."""

    said: str
    reply: str


class Replies(_Strict):
    """What a support reply is made of."""

    acknowledge: dict[str, list[str]]
    steps: dict[str, list[str]]


class SupportPhrases(_Strict):
    """Everything behind the rows of `support-agent`."""

    products: Texts
    topics: dict[str, Texts]
    cues: dict[str, Texts]
    fitting: dict[str, list[str]]
    openings: Texts
    replies: Replies
    facts: dict[str, list[Fact]]


class CoachPhrases(_Strict):
    """Everything behind the rows of `scrum-coach`."""

    people: Texts
    things: Texts
    events: Texts
    types: dict[str, Notes]
    openings: Texts
    facts: list[Fact]
    unknown: list[str]
    actions: dict[str, list[ActionRequest]]
    titles: list[str]
    smalltalk: list[SmallTalk]


def support_phrases() -> SupportPhrases:
    """Return the phrases of `support-agent`."""
    return SupportPhrases.model_validate(_read("support-agent"))


def coach_phrases() -> CoachPhrases:
    """Return the phrases of `scrum-coach`."""
    return CoachPhrases.model_validate(_read("scrum-coach"))


def _read(persona: str) -> object:
    document: object = yaml.safe_load((_FOLDER / f"{persona}.yaml").read_text(encoding="utf-8"))
    return document
