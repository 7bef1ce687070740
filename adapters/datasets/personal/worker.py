"""`python -m adapters.datasets.personal.worker`: finds personal data in texts, a line of JSON for each batch.

Owns Presidio, of which only recognisers by pattern and check digit are used, chosen one by one: no model, nothing
from the network. Runs in a process of its own, because Presidio loads spaCy, and all of torch where that is
installed. Here it finds none: measured, that takes the start from 41 to 7 seconds and from 600 to 114 MB.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from adapters.datasets.personal.policy import REGIONS
from core.guardian import die_with_parent

if TYPE_CHECKING:
    from presidio_analyzer import RecognizerResult

_LEAST_SCORE = 0.4
_NEVER = ("torch", "transformers", "tensorflow", "cupy", "stanza")


class Recogniser(Protocol):
    """What Presidio calls a recogniser."""

    supported_entities: list[str]

    def analyze(self, text: str, entities: list[str], nlp_artifacts: None = None) -> "list[RecognizerResult]":
        """Find entities in a text."""
        ...


def recognisers() -> dict[str, Recogniser]:
    """Return kind → recogniser. Slow: it loads Presidio."""
    import tldextract
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
        UsSsnRecognizer,
    )

    suffixes = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())  # the list that the package brings

    class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]  # presidio ships no types
        """Presidio's, which would fetch the list of public suffixes."""

        def validate_result(self, pattern_text: str) -> bool:
            """Tell whether the address ends with a domain that exists."""
            return suffixes(pattern_text.rpartition("@")[2]).fqdn != ""

    return {
        "email": OfflineEmailRecognizer(),
        "phone": PhoneRecognizer(supported_regions=REGIONS),
        "card": CreditCardRecognizer(),
        "iban": IbanRecognizer(),
        "ip": IpRecognizer(),
        "ssn": UsSsnRecognizer(),
    }


def spans_of(text: str, found_by: dict[str, Recogniser]) -> list[tuple[int, int, str]]:
    """Return where personal data stands and of which kind; of what overlaps the surest, then the longest."""
    hits = [
        (hit.score, hit.end - hit.start, hit.start, hit.end, kind)
        for kind, recogniser in found_by.items()
        for hit in recogniser.analyze(text, recogniser.supported_entities)
        if hit.score >= _LEAST_SCORE
    ]
    taken: list[tuple[int, int, str]] = []
    for _, _, start, end, kind in sorted(hits, reverse=True):
        if all(end <= other or start >= ending for other, ending, _ in taken):
            taken.append((start, end, kind))
    return sorted(taken)


def answers(lines: Iterator[str], kinds: Sequence[str]) -> Iterator[str]:
    """Yield the answer to each line: for each of its texts the spans in it."""
    found_by = {kind: one for kind, one in recognisers().items() if kind in kinds}
    for line in lines:
        yield json.dumps([spans_of(text, found_by) for text in json.loads(line)])


def main() -> None:
    """Answer until the input ends, or the parent is gone."""
    die_with_parent(signal.SIGKILL, int(sys.argv[1]))
    sys.modules.update(dict.fromkeys(_NEVER))  # type: ignore[arg-type]  # None there means: not installed
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not fall among the answers
    for answer in answers(iter(sys.stdin.readline, ""), sys.argv[2:]):
        output.write(answer + "\n")
        output.flush()


if __name__ == "__main__":
    main()
