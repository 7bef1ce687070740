"""Where the documents of personas come from, and what was read of them before.

A document in the checkout is read where it lies. One from a URL is fetched once and pinned: what was accepted
serves, also while its host is away, and when the URL holds another one the operator is asked. Operations are kept
by the hash of the text and what the persona says, so that a reload reads only what changed.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from actions.config import ActionConfig
from actions.connector import Connector
from actions.differences import differences
from actions.document import Document, parse_document, read_file
from actions.errors import DocumentInvalid
from actions.importer import read_operations
from actions.offering import offer
from actions.operation import Operation, SkippedOperation
from actions.pins import Pin, Pins, hash_of
from core.errors import RepertoryError

_LOG = logging.getLogger(__name__)
_MOST_KEPT = 128
_SHOWN = 12

Fetch = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one entry of a persona's `actions`.

    Attributes:
        skipped: what the document holds and is not offered.
        notices: what the operator should decide or know; the operations serve all the same.
    """

    operations: Sequence[Operation]
    skipped: Sequence[SkippedOperation]
    notices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A document that a URL holds instead of the accepted one.

    Attributes:
        differences: what it changes in the operations that the persona is offered.
    """

    url: str
    text: str
    differences: Sequence[str]


@dataclass(slots=True)
class Documents:
    """The documents of one server. Its methods block and may be called from several threads.

    Args:
        root: where paths start.
        pins: what was accepted of URLs; None: each reading fetches.
    """

    root: Path
    pins: Pins | None = None
    _looked: set[str] = field(default_factory=set)
    _kept: "OrderedDict[tuple[str, str], tuple[Sequence[Operation], Sequence[SkippedOperation]]]" = field(
        default_factory=OrderedDict
    )
    _lock: Lock = field(default_factory=Lock)

    def load(self, config: ActionConfig, fetch: Fetch) -> Imported:
        """Return the operations that `config` offers.

        Raises:
            DocumentInvalid: the document cannot be used, or is not the one that the persona wants.
            AddressRefused: its URL may not be reached.
        """
        if config.connector:
            return Imported(*offer(Connector.read(config.connector), config))
        text, notices = self._text(config, fetch)
        key = hash_of(text), config.model_dump_json()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        if kept is None:
            kept = _read(config, text)
            with self._lock:
                self._kept[key] = kept
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return Imported(*kept, notices)

    def offered(self, config: ActionConfig) -> Offer | None:
        """Return what the operator is asked about the URL of `config`, if anything.

        Raises:
            DocumentInvalid: what the URL holds now cannot be used.
        """
        if self.pins is None or not _is_url(config.document) or config.document_sha256 is not None:
            return None
        pin = self.pins.get(config.document)
        before = None if pin is None else self.pins.text(pin.accepted)
        now = None if pin is None or pin.offered is None else self.pins.text(pin.offered)
        if before is None or now is None:
            return None
        return Offer(config.document, now, differences(_read(config, before)[0], _read(config, now)[0]))

    def accept(self, offer: Offer) -> None:
        """Let what is offered serve from now on."""
        if self.pins is not None:
            self.pins.accept(offer.url, offer.text)

    def _text(self, config: ActionConfig, fetch: Fetch) -> tuple[str, list[str]]:
        source, wanted = config.document, config.document_sha256
        if not _is_url(source):
            text = read_file(source, self.root)
            _check_hash(source, text, wanted)
            return text, []
        if self.pins is None:
            text = fetch(source)
            _check_hash(source, text, wanted)
            return text, []
        if wanted is not None:
            return self._wanted(self.pins, source, wanted, fetch)
        pin = self.pins.get(source)
        if pin is None:
            pin = self.pins.accept(source, self._looked_at(source, fetch))
            _LOG.info("the document %r is pinned to %s", source, pin.accepted)
        accepted = self.pins.text(pin.accepted)
        if accepted is None:
            raise DocumentInvalid(
                f"What was accepted of {source!r} is gone or damaged ({pin.accepted[:_SHOWN]}…). Restore a "
                f"backup, or remove {str(self.pins.path(source))!r} to accept what the address holds now."
            )
        return accepted, self._changes(self.pins, pin, fetch)

    def _wanted(self, pins: Pins, source: str, wanted: str, fetch: Fetch) -> tuple[str, list[str]]:
        """Return the text of the hash that the persona's file names, and whether the URL holds it still."""
        text = pins.text(wanted)
        if text is None:
            text = self._looked_at(source, fetch)
            _check_hash(source, text, wanted)
            pins.keep(text)
        if source in self._looked:
            return text, []
        now = self._fetched(source, fetch)
        if now is None or hash_of(now) == wanted:
            return text, []
        return text, [
            f"{source!r} has changed: it is {hash_of(now)} now. The document of `document_sha256` goes on "
            "serving; look at the new one, and write its hash there to take it."
        ]

    def _changes(self, pins: Pins, pin: Pin, fetch: Fetch) -> list[str]:
        if pin.url not in self._looked:
            now = self._fetched(pin.url, fetch)
            pin = pin if now is None else pins.offer(pin, now)
        if pin.offered is None:
            return []
        return [
            f"{pin.url!r} has changed ({pin.accepted[:_SHOWN]}… → {pin.offered[:_SHOWN]}…). What was accepted "
            "goes on serving; `repertory action accept PERSONA` shows the change and takes it."
        ]

    def _looked_at(self, url: str, fetch: Fetch) -> str:
        text = fetch(url)
        self._looked.add(url)
        return text

    def _fetched(self, url: str, fetch: Fetch) -> str | None:
        """Return what the URL holds now; None where it cannot be had, which matters to nobody who has a copy."""
        try:
            return self._looked_at(url, fetch)
        except RepertoryError as error:
            self._looked.add(url)
            _LOG.warning("the accepted copy of %r serves: %s", url, error.message)
            return None


def _read(config: ActionConfig, text: str) -> tuple[Sequence[Operation], Sequence[SkippedOperation]]:
    name = config.document
    return read_operations(Document(name, parse_document(text, name), name if _is_url(name) else None), config)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _check_hash(source: str, text: str, wanted: str | None) -> None:
    if wanted is not None and hash_of(text) != wanted:
        raise DocumentInvalid(
            f"The document {source!r} is not the one of `document_sha256`: it is {hash_of(text)}. Look at what "
            "changed, and write that hash to take it."
        )
