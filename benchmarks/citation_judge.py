"""Whether a passage supports a sentence, and whether an answer declines: plain rules that one can check by hand.

No model judges. A passage supports a sentence if it holds every number of it and two thirds of its telling words,
cut to six letters as a stem. That is stricter than a reader about paraphrase, and blind to a "not" in the wrong
place; the figures compare runs with each other and are no truth of their own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SHARE = 2 / 3
_LEAST_WORDS = 4
_WORD = re.compile(r"[^\W_]+(?:[.,:]\d+)*")
_MARKER = re.compile(r"\s?\[\d+(?:, ?\d+)*\]")
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\S)[^.!?\n]+)*[.!?]*(?:\s?\[\d+(?:, ?\d+)*\])*")
_ROUTING = re.compile(r"^\s*Topic:.*\|.*$")
_SMALL = """
a an and any are as at be been but by can could did do does for from had has have he her his how i if in into
is it its may me must my no not of on or our she should so some such than that the their them then there these
they this those to up us was we were what when where which who will with would you your please
"""
_SMALL_WORDS = frozenset(_SMALL.split())
_DECLINES = re.compile(
    r"found nothing|nothing was found|not (?:in|part of|covered by|mentioned|stated|given|answered|said|named)\b"
    r"|(?:do|does|did) not (?:say|tell|know|mention|state|answer|contain|have (?:that|this|any) information)"
    r"|don['’]t (?:know|have)|can(?:not|['’]t) (?:answer|say|tell|find)|no (?:information|rule|answer)"
    r"|unable to (?:answer|find|say)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that claims something, and its range in the answer, markers included."""

    text: str
    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        """Tell whether a citation of this range belongs to the sentence."""
        return start < self.end and end > self.start


def sentences(answer: str, closing: str | None = None) -> Iterator[Sentence]:
    """Yield what an answer claims: no questions, no routing line, no closing, nothing of under four words."""
    for match in _SENTENCE.finditer(answer):
        text = _MARKER.sub("", match[0]).strip()
        if len(_WORD.findall(text)) < _LEAST_WORDS or text.endswith("?") or _ROUTING.match(text):
            continue
        if closing is None or text not in closing:
            yield Sentence(text, match.start(), match.end())


def supports(passage: str, sentence: str) -> bool:
    """Tell whether a passage, its headings included, says what a sentence says."""
    told, claimed = _telling(passage), _telling(sentence)
    if not claimed or any(word[0].isdigit() and word not in told for word in claimed):
        return False
    return len(claimed & told) >= _SHARE * len(claimed)


def declines(answer: str) -> bool:
    """Tell whether an answer says that the documents do not answer the question."""
    return _DECLINES.search(answer) is not None


@dataclass(frozen=True, slots=True)
class Cited:
    """One citation of an answer: its range there, and the number of the passage."""

    start: int
    end: int
    passage: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the citations of one answer are worth.

    Attributes:
        citations: how many there are.
        supported: those whose passage supports the sentence that they stand at.
        supportable: sentences that some given passage supports.
        cited: those of them that carry a citation which supports them.
    """

    citations: int
    supported: int
    supportable: int
    cited: int


def judged(answer: str, citations: Sequence[Cited], passages: Sequence[str], closing: str | None) -> Verdict:
    """Judge the citations of one answer. One that stands at no sentence supports nothing."""
    claims = list(sentences(answer, closing))
    good: set[Cited] = set()
    supportable = cited = 0
    for claim in claims:
        ours = [one for one in citations if claim.holds(one.start, one.end)]
        right = {one for one in ours if supports(passages[one.passage], claim.text)}
        good |= right
        if any(supports(passage, claim.text) for passage in passages):
            supportable += 1
            cited += bool(right)
    return Verdict(len(citations), len(good), supportable, cited)


def _telling(text: str) -> frozenset[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(word if word[0].isdigit() else word[:6] for word in words if word not in _SMALL_WORDS)
