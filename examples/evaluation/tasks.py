"""What is measured for each demo persona: items, the label in an answer, and how to read it.

Owns the meaning of "right"; must never know how answers are obtained.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.datasets.prompts import without_passages

DATASETS = Path(__file__).resolve().parents[1] / "datasets"
NO_LABEL = ""


@dataclass(frozen=True, slots=True)
class Label:
    """The two things that an answer must get right."""

    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its right label."""

    question: str
    label: Label


@dataclass(frozen=True, slots=True)
class Prompt:
    """One way to ask without an adapter.

    Attributes:
        persona: whose instructions the base model reads.
        shots: how many solved examples go before the question, as chat turns.
    """

    persona: str
    shots: int = 0

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.persona}, {self.shots} turns" if self.shots else self.persona


@dataclass(frozen=True, slots=True)
class Task:
    """How one persona is measured.

    Attributes:
        fields: names of the label's two parts, for people.
        form: what a well-formed first line looks like.
        anywhere: where to look for the label in an answer that is not well formed; kinder than `form`,
            so that a prompt is not beaten for its layout.
        words: what each part may be, for the lenient reading; empty where it is a name.
        baselines: the prompts to compare with.
    """

    persona: str
    fields: tuple[str, str]
    form: re.Pattern[str]
    anywhere: tuple[re.Pattern[str], re.Pattern[str]]
    words: tuple[tuple[str, ...], tuple[str, ...]]
    baselines: tuple[Prompt, ...]

    def items(self, split: str) -> list[Item]:
        """Return the questions of a split with the labels of their reference answers."""
        lines = (DATASETS / self.persona / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        return [self._item([str(each["content"]) for each in json.loads(line)["messages"]]) for line in lines]

    def label(self, answer: str) -> Label:
        """Return what an answer says, wherever it says it; a part that it does not say is empty."""
        first, second = (pattern.search(answer) for pattern in self.anywhere)
        return Label(_word(first), _word(second))

    def lenient_label(self, answer: str) -> Label:
        """Return the label read as kindly as possible: a part counts if its word stands in the first line.

        Where `label` finds none of the allowed words, the first allowed word of the line is taken.
        """
        line = answer.strip().split("\n", 1)[0]
        strict = self.label(line)
        first, second = self.words
        return Label(_known(strict.first, first, line), _known(strict.second, second, line))

    def kind(self, label: Label) -> tuple[str, str]:
        """Return the label with every name made one, so that examples can be spread over the kinds."""
        named = not self.words[1] and label.second != "none"
        return label.first, "name" if named else label.second

    def well_formed(self, answer: str) -> bool:
        """Tell whether the first line has exactly the form that programs rely on."""
        return bool(self.form.fullmatch(answer.strip().split("\n", 1)[0].rstrip()))

    def _item(self, contents: list[str]) -> Item:
        _, user, reply = contents
        return Item(without_passages(user), self.label(reply))


def _word(match: re.Match[str] | None) -> str:
    return match.group(1).strip().lower() if match else NO_LABEL


def _known(found: str, words: Sequence[str], line: str) -> str:
    if not words or found in words:
        return found
    named = re.search(rf"\b({'|'.join(words)})\b", line, re.IGNORECASE)
    return _word(named)


SUPPORT = Task(
    persona="support-agent",
    fields=("topic", "urgency"),
    form=re.compile(
        r"Topic: (returns|delivery|payment|warranty|account|product|order) \| Urgency: (high|normal|low)"
    ),
    anywhere=(re.compile(r"topic\W+(\w+)", re.IGNORECASE), re.compile(r"urgency\W+(\w+)", re.IGNORECASE)),
    words=(
        ("returns", "delivery", "payment", "warranty", "account", "product", "order"),
        ("high", "normal", "low"),
    ),
    baselines=(
        Prompt("support-agent-instructions"),
        Prompt("support-agent-rules"),
        Prompt("support-agent-few-shot"),
        Prompt("support-agent-rules", shots=7),
        Prompt("support-agent-short", shots=7),
        Prompt("support-agent-short", shots=21),
    ),
)
COACH = Task(
    persona="scrum-coach",
    fields=("type", "owner"),
    form=re.compile(r"(Risk|Issue|Decision|Action|Done) \| Owner: \w+ \| .+"),
    anywhere=(
        re.compile(r"\b(risk|issue|decision|action|done)\b", re.IGNORECASE),
        re.compile(r"owner\W+(\w+)", re.IGNORECASE),
    ),
    words=(("risk", "issue", "decision", "action", "done"), ()),
    baselines=(
        Prompt("scrum-coach-instructions"),
        Prompt("scrum-coach-rules"),
        Prompt("scrum-coach-few-shot"),
        Prompt("scrum-coach-rules", shots=10),
        Prompt("scrum-coach-short", shots=5),
        Prompt("scrum-coach-short", shots=10),
    ),
)
TASKS = {task.persona: task for task in (SUPPORT, COACH)}
