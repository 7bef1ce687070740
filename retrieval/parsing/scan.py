"""Puts the text that was recognised on pages where it belongs. Knows neither processes nor recognition."""

import json
from collections.abc import Mapping

from retrieval.parsing.document import Assembly, ParsedDocument, named
from retrieval.parsing.refusal import FileRefusedError


def pages_of(said: bytes) -> dict[int, str | None]:
    """Return the text of each page that the scanner came to, None where a page could not be read."""
    lines = said.splitlines(keepends=True)
    told = [json.loads(line) for line in lines if line.endswith(b"\n")]  # the last one may be torn
    return {int(page["page"]): page["text"] for page in told}


def completed(
    document: ParsedDocument,
    read: Mapping[int, str | None],
    max_characters: int,
    refusal: FileRefusedError | None = None,
) -> ParsedDocument:
    """Return the document with the text of its scanned pages.

    Args:
        document: what is known without recognition.
        read: page number → its text, as far as recognition came.
        max_characters: of the whole text.
        refusal: what ended recognition early.

    Raises:
        FileRefusedError: there is no text in it, or too much.
    """
    assembly = Assembly(max_characters)
    for page in document.pages:
        words = read.get(page.number) or document.text[page.start : page.end]
        assembly.add(words, page=page.number, heading=page.heading)
    if not document.pages:  # a picture alone
        assembly.add(read.get(1) or "")
    if assembly.empty:
        raise refusal or FileRefusedError(_nothing(read))
    warning = " ".join(filter(None, [document.warning, *_warnings(document, read, refusal)]))
    return assembly.document(markdown=False, warning=warning)


def _warnings(
    document: ParsedDocument, read: Mapping[int, str | None], refusal: FileRefusedError | None
) -> list[str]:
    missing = [number for number in document.scanned if number not in read]
    damaged = [number for number, words in read.items() if words is None]
    blank = [number for number, words in read.items() if words is not None and not words.strip()]
    told = []
    if missing and refusal is not None:
        why = refusal.reason[:1].lower() + refusal.reason[1:]
        told.append(f"{named(missing).capitalize()} {_were(missing)} not read: {why}")
    if damaged:
        told.append(f"Damaged and left out: {named(damaged)}.")
    if blank:
        told.append(f"No text was found on {named(blank)}.")
    return told


def _were(numbers: list[int]) -> str:
    return "were" if len(numbers) > 1 else "was"


def _nothing(read: Mapping[int, str | None]) -> str:
    if None in read.values():
        return "It is damaged: its pictures cannot be unpacked. Open it and save it again."
    return "No text was found in it, though it was looked for in its pictures. Remove it, or scan it more clearly."
