"""The grader of questions that differ in what should not matter: their answers should say the same."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

from adapters.evaluation.case import Case
from adapters.evaluation.graders.grader import Options, Pair, failed
from adapters.evaluation.measure import Measured, share

_WORD = re.compile(r"\w+")


class Consistent(Options):
    """The answer begins with the word that most answers of its `group` begin with, such as yes or no."""

    kind: Literal["consistent"]

    def needs(self, case: Case) -> str | None:
        """Want to know what belongs together."""
        return None if case.group else "group"

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the share of answers that agree with their group; where two words tie, the first one counts."""
        words = [None if failed(answer) else first_word(answer.text) for _, answer in pairs]
        groups: dict[str, Counter[str | None]] = defaultdict(Counter)
        for (case, _), word in zip(pairs, words, strict=True):
            groups[case.group or ""][word] += 1
        usual = {group: counts.most_common(1)[0][0] for group, counts in groups.items()}
        yield share(
            self.metric,
            [
                (
                    word is not None and word == usual[case.group or ""],
                    f"it says {word!r}, most say {usual[case.group or '']!r}",
                )
                for (case, _), word in zip(pairs, words, strict=True)
            ],
        )


def first_word(text: str) -> str:
    """Return the first word of a text, without case; empty where there is none."""
    found = _WORD.search(text)
    return "" if found is None else found.group().casefold()
