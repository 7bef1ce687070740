"""Recognises text in pages: `python -m retrieval.parsing.scanner PARENT FORMAT LIMITS PAGES`, the file on stdin.

Each page is a line of JSON on stdout as soon as it is read, so that what comes before a crash or the end of the
time is not lost. Confined like the worker.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from retrieval.parsing.formats import Format
from retrieval.parsing.limits import NO_RECOGNITION, OUT_OF_MEMORY, Limits
from retrieval.parsing.worker import settle

if TYPE_CHECKING:
    from retrieval.parsing.picture import Pictures


def main(arguments: list[str]) -> int:
    """Read the pages and return the exit code."""
    parent, kind, limits = int(arguments[0]), Format(arguments[1]), Limits.from_json(arguments[2])
    numbers = json.loads(arguments[3])
    answers = settle(parent, limits)
    try:
        with answers, os.fdopen(0, "rb") as stream:
            for page in _pages(stream.read(), kind, numbers, limits):
                answers.write(json.dumps(page).encode() + b"\n")
                answers.flush()
    except ImportError:
        return NO_RECOGNITION
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


def _pages(content: bytes, kind: Format, numbers: Sequence[int], limits: Limits) -> Iterator[dict[str, object]]:
    from retrieval.parsing.recognition import Recogniser

    picture = _pictures_of(kind, content, limits)
    recogniser = Recogniser(limits.scan_threads)
    for number in numbers:
        try:
            yield {"page": number, "text": recogniser.text(picture(number))}
        except MemoryError:
            raise
        except Exception:  # the worker edge: libraries raise whatever a broken page makes them
            yield {"page": number, "text": None}


def _pictures_of(kind: Format, content: bytes, limits: Limits) -> "Pictures":
    if kind is Format.PDF:
        from retrieval.parsing.pdf import pictures
    else:
        from retrieval.parsing.picture import pictures
    return pictures(content, limits)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
