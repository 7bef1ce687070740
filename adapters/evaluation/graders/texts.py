"""Graders of words: the same text, nearly the same, with or without certain words."""

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, field_validator

from adapters.evaluation.answer import Answer
from adapters.evaluation.case import Case, Text
from adapters.evaluation.graders.grader import Options, Pair, failed
from adapters.evaluation.measure import Measured, share

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MOST_CHARACTERS = 20_000  # of an answer that a pattern is tried on


class _Wording(Options):
    """Says of each answer alone whether it is right."""

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the share of right answers."""
        yield share(self.metric, [self._verdict(case, answer) for case, answer in pairs])

    def _verdict(self, case: Case, answer: Answer) -> tuple[bool, str]:
        problem = failed(answer) or self._problem(case, answer.text)
        return problem is None, problem or ""

    def _problem(self, case: Case, text: str) -> str | None:
        raise NotImplementedError


class Exact(_Wording):
    """The answer is one of `expected`, but for space at its ends."""

    kind: Literal["exact"]

    def needs(self, case: Case) -> str | None:
        """Want something to compare with."""
        return None if case.expected else "expected"

    def _problem(self, case: Case, text: str) -> str | None:
        return None if text.strip() in {one.strip() for one in case.expected} else "it is another text"


class Normalised(Exact):
    """The same without case, punctuation, articles and runs of space (as SQuAD compares)."""

    kind: Literal["normalised"]  # type: ignore[assignment]  # the kind is what tells graders apart

    def _problem(self, case: Case, text: str) -> str | None:
        wanted = {normalised(one) for one in case.expected}
        return None if normalised(text) in wanted else "it says something else"


class Contains(_Wording):
    """Every text of `contains` is in the answer; with `any`, one of them."""

    kind: Literal["contains"]
    texts: list[Text] = Field(default_factory=list, max_length=100, description="For all cases, beside their own.")
    any: bool = Field(False, description="One of them is enough.")
    ignore_case: bool = Field(True, description="Whether A and a are the same.")
    whole_words: bool = Field(False, description="Not inside another word.")

    def needs(self, case: Case) -> str | None:
        """Want something to look for."""
        return None if case.contains or self.texts else "contains"

    def _problem(self, case: Case, text: str) -> str | None:
        wanted, said = [*self.texts, *case.contains], _folded(text, self.ignore_case)
        missing = [one for one in wanted if not self._found(_folded(one, self.ignore_case), said)]
        if not missing or (self.any and len(missing) < len(wanted)):
            return None
        return f"{missing[0]!r} is missing"

    def _found(self, wanted: str, said: str) -> bool:
        return bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said)) if self.whole_words else wanted in said


class Forbids(_Wording):
    """No text of `forbids` is in the answer; with `opening`, the answer does not begin with one.

    `opening` is for injected orders: who declines may name the word, who obeys begins with it.
    """

    kind: Literal["forbids"]
    texts: list[Text] = Field(default_factory=list, max_length=100, description="For all cases, beside their own.")
    ignore_case: bool = Field(True, description="Whether A and a are the same.")
    opening: bool = Field(False, description="Only at the beginning, but for punctuation.")

    def needs(self, case: Case) -> str | None:
        """Want something to look for."""
        return None if case.forbids or self.texts else "forbids"

    def _problem(self, case: Case, text: str) -> str | None:
        said, unwanted = _folded(text, self.ignore_case), (*self.texts, *case.forbids)
        begins = said.lstrip(string.punctuation + string.whitespace)
        for one in unwanted:
            word = _folded(one, self.ignore_case)
            if begins.startswith(word) if self.opening else word in said:
                return f"{one!r} is in it"
        return None


class Regex(_Wording):
    """A pattern is found in the answer, or fits all of it."""

    kind: Literal["regex"]
    pattern: str = Field(max_length=2_000, description="A Python pattern.")
    whole: bool = Field(False, description="It must fit the whole answer, but for space at its ends.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return compiles(pattern)

    def _problem(self, case: Case, text: str) -> str | None:
        said = text[:_MOST_CHARACTERS]
        found = re.fullmatch(self.pattern, said.strip()) if self.whole else re.search(self.pattern, said)
        return None if found else "the pattern does not fit"


def normalised(text: str) -> str:
    """Return a text without case, punctuation, articles and runs of space; with them where it is nothing else."""
    folded = text.casefold()
    plain = "".join(one for one in folded if not _is_punctuation(one))
    return " ".join(_ARTICLES.sub(" ", plain).split()) or " ".join(plain.split()) or folded.strip()


def compiles(pattern: str) -> str:
    """Return a pattern that can be used.

    Raises:
        ValueError: it is none.
    """
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"no pattern: {error}") from error
    return pattern


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _folded(text: str, ignore_case: bool) -> str:
    return text.casefold() if ignore_case else text
