"""Bytes and a name in, a document out. Knows which files need a process of their own; imports no parser."""

import hashlib
import json
from collections import OrderedDict

from retrieval.parsing import plain, scan
from retrieval.parsing.document import Page, ParsedDocument
from retrieval.parsing.formats import Format, check_readable, format_of, is_markdown
from retrieval.parsing.limits import Limits
from retrieval.parsing.process import WorkerProcess
from retrieval.parsing.refusal import FileRefusedError

PARSER_VERSION = "2"
"""Part of the identity of parsed files: raising it parses each of them anew at the next sync."""

_REFUSALS_KEPT = 1_000
_SCANS = (Format.PDF, Format.PICTURE)


class Parser:
    """Reads files. Safe for many threads.

    What was refused for a reason that lies in its bytes is remembered, so that a file that costs a minute costs it
    once and not at every sync.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._worker = WorkerProcess(self._limits)
        self._refused: OrderedDict[str, tuple[str, bool]] = OrderedDict()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, while one runs."""
        return self._worker.pid

    def identity(self, content: bytes, name: str) -> str:
        """Return what decides the outcome of `parse`; while it stays the same, that need not be called again.

        Raises:
            FileRefusedError: such files are not read, or it is a text file without text.
        """
        kind = format_of(name)
        if kind is None:
            return self.parse(content, name).text
        time = f"{self._limits.scan_seconds:g}" if kind in _SCANS else ""  # with more of it, more may be read
        return f"{PARSER_VERSION}\0{kind}\0{time}\0{hashlib.sha256(content).hexdigest()}"

    def parse(self, content: bytes, name: str) -> ParsedDocument:
        """Return the text of a file.

        Args:
            content: its bytes.
            name: its name or path; the suffix says what it is.

        Raises:
            FileRefusedError: it cannot be read, for a reason that concerns this file alone.
            Unavailable: the parser is closed, or no process can be started.
        """
        kind = format_of(name)
        if kind is None:
            check_readable(name)
            return plain.parse(content, markdown=is_markdown(name))
        identity = self.identity(content, name)
        if (known := self._refused.get(identity)) is not None:
            raise FileRefusedError(known[0], keeps_last_good=known[1])
        try:
            return self._read(content, kind)
        except FileRefusedError as refusal:
            if not refusal.passing:
                self._refused[identity] = (refusal.reason, refusal.keeps_last_good)
                while len(self._refused) > _REFUSALS_KEPT:
                    self._refused.popitem(last=False)
            raise

    def _read(self, content: bytes, kind: Format) -> ParsedDocument:
        document = _document(self._worker.ask(content, kind))
        if not document.scanned:
            return document
        ending = self._worker.scan(content, kind, document.scanned)
        if ending.refusal is not None and ending.refusal.passing and not ending.late:
            raise ending.refusal
        return scan.completed(document, scan.pages_of(ending.said), self._limits.text_characters, ending.refusal)

    def close(self) -> None:
        """End the worker that runs, and start no other."""
        self._worker.close()


def _document(answer: bytes) -> ParsedDocument:
    told = json.loads(answer)
    if "refused" in told:
        raise FileRefusedError(str(told["refused"]), keeps_last_good=bool(told["keeps_last_good"]))
    pages = tuple(Page(*page) for page in told["pages"])
    return ParsedDocument(
        text=str(told["text"]),
        markdown=bool(told["markdown"]),
        pages=pages,
        warning=str(told["warning"]),
        scanned=tuple(told["scanned"]),
    )
