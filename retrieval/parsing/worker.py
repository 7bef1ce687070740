"""Reads one file and ends: `python -m retrieval.parsing.worker PARENT FORMAT LIMITS`, the file on stdin.

A hostile file may do to this process what it likes: the kernel bounds its time, its memory and its files, it can
open no connection from Python, inherits no secret, and dies with its parent. The answer goes to stdout as JSON.
"""

import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import BinaryIO

from core.guardian import die_with_parent
from retrieval.parsing.document import ParsedDocument
from retrieval.parsing.formats import Format
from retrieval.parsing.limits import OUT_OF_MEMORY, Limits
from retrieval.parsing.refusal import FileRefusedError

_NICENESS = 5
_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system")

Parse = Callable[[bytes, Limits], ParsedDocument]


def main(arguments: list[str]) -> int:
    """Read the file and return the exit code."""
    parent, kind, limits = int(arguments[0]), Format(arguments[1]), Limits.from_json(arguments[2])
    answers = settle(parent, limits)
    try:
        answer = _answer(kind, limits)
    except MemoryError:
        return OUT_OF_MEMORY
    with answers:
        answers.write(answer)
    return 0


def settle(parent: int, limits: Limits) -> BinaryIO:
    """Make this process one that may meet a hostile file, and return where its answers go."""
    die_with_parent(signal.SIGKILL, parent)
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not mix with the answer
    confine(limits)
    warnings.simplefilter("ignore")
    return os.fdopen(answers, "wb")


def confine(limits: Limits) -> None:
    """Put the kernel's bounds on this process, and let Python code neither reach out nor start anything."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # pipes are no files
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_refuse)


def _answer(kind: Format, limits: Limits) -> bytes:
    try:
        parse = parser_of(kind)
        with os.fdopen(0, "rb") as stream:
            document = parse(stream.read(), limits)
    except FileRefusedError as refusal:
        return json.dumps({"refused": refusal.reason, "keeps_last_good": refusal.keeps_last_good}).encode()
    except MemoryError:
        raise
    except Exception as error:  # the worker edge: libraries raise whatever a broken file makes them
        reason = f"It is damaged, or not of its kind ({type(error).__name__}). Open it and save it again."
        return json.dumps({"refused": reason, "keeps_last_good": True}).encode()
    pages = [(page.start, page.end, page.number, page.heading) for page in document.pages]
    told = {
        "text": document.text,
        "markdown": document.markdown,
        "pages": pages,
        "warning": document.warning,
        "scanned": document.scanned,
    }
    return json.dumps(told, ensure_ascii=False).encode()


def parser_of(kind: Format) -> Parse:
    """Load what reads this format, and nothing else."""
    match kind:
        case Format.PDF:
            from retrieval.parsing.pdf import parse
        case Format.DOCX:
            from retrieval.parsing.word import parse
        case Format.PPTX:
            from retrieval.parsing.slides import parse
        case Format.XLSX:
            from retrieval.parsing.sheets import parse
        case Format.HTML:
            from retrieval.parsing.web import parse
        case Format.CSV:
            from retrieval.parsing.delimited import parse
        case Format.JSON:
            from retrieval.parsing.tree import parse
        case Format.EML:
            from retrieval.parsing.mail import parse
        case Format.PICTURE:
            from retrieval.parsing.picture import parse
    return parse


def _refuse(event: str, _arguments: object) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"A parser may not do this: {event}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
