"""What is searched for: the last question, and what it leans on where it does not stand by itself.

Reads what the user said and nothing else: an answer would pull the search towards what was found before, and the
roles in a request are the client's word. Knows texts; no store, no model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_LONGEST_CONTEXT = 400
_QUESTIONS_BACK = 3
_FEW_WORDS = 3
_NEXT_TO_NOTHING = 2
_SHORT = 8
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_POINTING = """
it its it's itself they them their theirs he him his she her hers this that that's these those there one ones both
either neither same such former latter instead otherwise
"""
_POINTS_BACK = frozenset(_POINTING.split())
"""Words that take their meaning from what was said before."""

_GOES_ON = re.compile(
    r"\W*(?:and|but|or|so|then|also|what about|how about|what if|what else|who else|why|how so|in that case"
    r"|und|et|y|e)\b",
    re.IGNORECASE,
)
_FILLING = """
a an the and or but so then also too please thanks thank ok okay yes no not what which who whom whose when
where why how much many long often far soon about if else for of to in on at by with from into than as is are
was were be been am do does did has have had can could may might must shall should will would i you we me my
mine your yours our ours us any some all more most just only again now here need want get tell say know mean
"""
_EMPTY_WORDS = frozenset(_FILLING.split())
"""Words of a question that name nothing."""


class Rewrite(StrEnum):
    """What became of the question before it was searched for."""

    NONE = "none"
    HISTORY = "history"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for.

    Attributes:
        question: the user's last message.
        fuller: the question with what it leans on, where it does; both are searched for.
    """

    question: str
    rewrite: Rewrite = Rewrite.NONE
    fuller: str | None = None

    @property
    def phrasings(self) -> tuple[str, ...]:
        """All that is searched for, the question as it was asked first."""
        return (self.question,) if self.fuller is None else (self.question, self.fuller)


def with_history(questions: Sequence[str]) -> Query:
    """Return the query for the last of a user's messages, the oldest first.

    A follow-up is searched for together with the question before it; if that is a follow-up, too, with the one
    before that, up to three questions back.
    """
    question = questions[-1] if questions else ""
    context = leant_on(questions)
    if not context:
        return Query(question)
    return Query(question, Rewrite.HISTORY, " ".join([*context, question]))


def leant_on(questions: Sequence[str]) -> list[str]:
    """Return the earlier messages that the last one takes its meaning from; none if it stands by itself."""
    context: list[str] = []
    later = questions[-1] if questions else ""
    few = _FEW_WORDS
    for earlier in reversed(questions[:-1][-_QUESTIONS_BACK:]):
        if not leans(later, few):
            break
        few = _NEXT_TO_NOTHING  # one subject is enough: further back stand others
        if earlier.strip():
            context.insert(0, earlier.strip()[-_LONGEST_CONTEXT:])
            later = earlier
    return context


def leans(question: str, few: int = _FEW_WORDS) -> bool:
    """Tell whether a question takes part of its meaning from what was said before.

    It does if it has fewer than `few` words that name something, goes on ("And …", "What about …"), or is short
    and points back ("its", "those"). A wrong yes costs little: the bare question is searched for as well.
    """
    words = [word.lower() for word in _WORD.findall(question)]
    telling = [word for word in words if word not in _EMPTY_WORDS and word not in _POINTS_BACK]
    if not words:
        return False
    if len(telling) < few:
        return True
    points_back = any(word in _POINTS_BACK for word in words)
    if _GOES_ON.match(question):
        return points_back or len(telling) <= _SHORT // 2
    return points_back and len(words) <= 2 * _SHORT
