"""Rows that teach `support-agent` to route a customer's message and to answer it from passages.

Owns how phrases become rows; must never know where rows are stored.
"""

from dataclasses import dataclass
from random import Random

from examples.datasets.phrases import Fact, Split, SupportPhrases
from examples.datasets.prompts import Message, PassageText, Row, with_passages

_ORDER_PREFIX = {"train": 1, "valid": 2, "test": 3}
_SHARE_WITH_PASSAGES = 0.5
_SHARE_OF_LONGER_PASSAGES = 0.4
_URGENCIES = ("high", "low", "normal")


@dataclass(frozen=True, slots=True)
class Label:
    """What the routing line of one message should say."""

    topic: str
    urgency: str

    def line(self) -> str:
        """Return the routing line."""
        return f"Topic: {self.topic} | Urgency: {self.urgency}"


class SupportRows:
    """Makes rows of one split; the same seed gives the same rows."""

    def __init__(self, phrases: SupportPhrases, system: Message, split: Split, random: Random) -> None:
        self._phrases = phrases
        self._system = system
        self._split = split
        self._random = random
        self._seen: set[str] = set()

    def build(self, count: int) -> list[Row]:
        """Return `count` rows, spread evenly over topics and urgencies, no question twice."""
        labels = [Label(topic, urgency) for topic in self._phrases.topics for urgency in _URGENCIES]
        rows = [self._row(labels[number % len(labels)], number // len(labels)) for number in range(count)]
        self._random.shuffle(rows)
        return rows

    def _row(self, label: Label, turn: int) -> Row:
        product = self._random.choice(self._phrases.products.of(self._split))
        question = self._question(label, turn, product)
        passages: list[PassageText] = []
        body = self._plain_reply(label)
        if self._split == "train" and self._random.random() < _SHARE_WITH_PASSAGES:
            passages, body = self._cited_reply(label, product)
        user = with_passages(question, passages)
        reply: Message = {"role": "assistant", "content": f"{label.line()}\n{body}"}
        return {"messages": [self._system, user, reply]}

    def _question(self, label: Label, turn: int, product: str) -> str:
        templates = self._phrases.topics[label.topic].of(self._split)
        for attempt in range(1000):
            template = templates[(turn + attempt) % len(templates)]
            core = template.format(p=product, o=self._order())
            cue = self._random.choice(self._cues(label))
            opening = self._random.choice(self._phrases.openings.of(self._split))
            parts = [core, cue] if self._random.random() < 0.75 else [cue, core]
            question = opening + " ".join(part for part in parts if part)
            if question not in self._seen:
                self._seen.add(question)
                return question
        raise ValueError(f"Too few phrases for {label!r} in {self._split!r}: add templates or cues.")

    def _cues(self, label: Label) -> list[str]:
        cues = self._phrases.cues
        fitting = [kind for kind, topics in self._phrases.fitting.items() if label.topic in topics]
        kinds = [label.urgency, *(fitting if label.urgency == "high" else [])]
        return cues[self._random.choice(kinds)].of(self._split)

    def _order(self) -> str:
        return f"HB-{_ORDER_PREFIX[self._split]}{self._random.randrange(10_000, 99_999)}"

    def _plain_reply(self, label: Label) -> str:
        step = self._random.choice(self._phrases.replies.steps[label.topic])
        return f"{self._acknowledge(label)} {step}"

    def _cited_reply(self, label: Label, product: str) -> tuple[list[PassageText], str]:
        fact = self._random.choice(self._phrases.facts[label.topic])
        passage, answer = self._fill(fact, product)
        if self._random.random() < _SHARE_OF_LONGER_PASSAGES:
            more, _ = self._fill(self._random.choice(self._phrases.facts[label.topic]), product)
            passage = passage.model_copy(update={"text": f"{passage.text} {more.text}"})
        passages = [passage]
        if self._random.random() < 0.4:
            passages.insert(self._random.randrange(2), self._distractor(label.topic, product))
        marker = passages.index(passage) + 1
        return passages, f"{self._acknowledge(label)} {answer} [{marker}]."

    def _distractor(self, topic: str, product: str) -> PassageText:
        other = self._random.choice([name for name in self._phrases.facts if name != topic])
        passage, _ = self._fill(self._random.choice(self._phrases.facts[other]), product)
        return passage

    def _fill(self, fact: Fact, product: str) -> tuple[PassageText, str]:
        low, high = sorted(self._random.sample(range(2, 90), 2))
        values = {"n": str(low), "m": str(high), "p": product}
        passage = PassageText(
            title=fact.title, heading=fact.heading.format(**values), text=fact.text.format(**values)
        )
        return passage, fact.answer.format(**values)

    def _acknowledge(self, label: Label) -> str:
        return self._random.choice(self._phrases.replies.acknowledge[label.urgency])
