"""PDF by pdfium: the text of each page, in the library's reading order. The only place that imports pypdfium2.

Pages that are pictures are drawn here for those who recognise their text.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
from pypdfium2 import raw

from retrieval.parsing import pixels
from retrieval.parsing.document import Assembly, ParsedDocument, named
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.parsing.picture import Pictures

_HARDLY_ANY = 20
"""Characters from which a page with pictures does not count as scanned: a stamp or a page number is no text."""

_PICTURE_DEPTH = 3
_LARGEST_SCALE = 300 / 72
"""Dots an inch over the units of a page: a small one is drawn no finer."""

_PAGE_HEAD = 100
_HYPHEN = "\ufffe"  # what pdfium writes for a hyphen that ends a line, in place of both
_REASONS = {
    raw.FPDF_ERR_PASSWORD: "It is encrypted. Save it without a password.",
    raw.FPDF_ERR_SECURITY: "It is encrypted in a way that cannot be read. Save it without protection.",
}


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return text and pages of a PDF, and which pages are pictures whose text is still to be recognised.

    Raises:
        FileRefusedError: it is encrypted, broken, too long, or empty.
    """
    document = _opened(content)
    if len(document) > limits.pages:
        raise FileRefusedError(f"It has {len(document):,} pages, more than {limits.pages:,}. Split it.")
    assembly = Assembly(limits.text_characters)
    outline = _outline(document)
    scanned: list[int] = []
    lost: list[int] = []
    large: list[int] = []
    for number in range(1, len(document) + 1):
        try:
            text, largest = _page(document, number - 1)
        except pdfium.PdfiumError:
            lost.append(number)
            continue
        if largest > limits.picture_pixels:
            large.append(number)
        elif largest:
            scanned.append(number)
        heading = _heading(outline, number, text)
        assembly.add(text, page=number, heading=heading, waiting=scanned[-1:] == [number])
    if large and assembly.empty and not scanned:
        raise FileRefusedError(f"{_warning(large, [], limits)} Save it with smaller pictures.")
    return assembly.document(markdown=False, warning=_warning(large, lost, limits), scanned=scanned)


def pictures(content: bytes, limits: Limits) -> "Pictures":
    """Return what draws each page.

    Raises:
        FileRefusedError: it is encrypted or broken.
    """
    document = _opened(content)

    def picture(number: int) -> "Image":
        page = document.get_page(number - 1)
        try:
            width, height = page.get_size()
            drawn: Image = page.render(scale=pixels.scale(width, height, _LARGEST_SCALE)).to_pil()
            return drawn
        finally:
            page.close()

    return picture


def _opened(content: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        reason = _REASONS.get(error.err_code or 0, "It is damaged, or no PDF. Open it and save it as PDF again.")
        raise FileRefusedError(reason) from error


def _page(document: pdfium.PdfDocument, index: int) -> tuple[str, int]:
    """Return the text of a page and, where it is hardly any, the pixels of the largest picture."""
    page = document.get_page(index)
    try:
        text = str(page.get_textpage().get_text_range()).replace(_HYPHEN, "")
        if len("".join(text.split())) >= _HARDLY_ANY:
            return text, 0
        pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=_PICTURE_DEPTH)
        return text, max((math.prod(picture.get_px_size()) for picture in pictures), default=0)
    finally:
        page.close()


def _outline(document: pdfium.PdfDocument) -> list[tuple[int, tuple[str, ...]]]:
    """Return page and title path of each bookmark, in the outline's order, as far as it goes forward."""
    found: list[tuple[int, tuple[str, ...]]] = []
    above: list[str] = []
    for title, level, page in _bookmarks(document):
        above = [*above[:level], title]
        if page >= (found[-1][0] if found else 0):
            found.append((page, tuple(above)))
    return found


def _bookmarks(document: pdfium.PdfDocument) -> Iterator[tuple[str, int, int]]:
    for bookmark in document.get_toc(max_depth=6):
        target = bookmark.get_dest()
        index = target.get_index() if target is not None else None
        title = " ".join(bookmark.get_title().split())
        if title and index is not None:
            yield title, bookmark.level, index + 1


def _heading(outline: Sequence[tuple[int, tuple[str, ...]]], number: int, text: str) -> str:
    """Return the titles that hold for the whole page."""
    before = [path for page, path in outline if page < number][-1:]
    here = [path for page, path in outline if page == number]
    if here and here[0][-1] in " ".join(text.split())[: _PAGE_HEAD + len(here[0][-1])]:
        before = []  # the page begins with a section of its own, perhaps below a running title
    paths = before + here
    if not paths:
        return ""
    shared = 0
    while all(len(path) > shared for path in paths) and len({path[shared] for path in paths}) == 1:
        shared += 1
    return " > ".join(paths[0][:shared])


def _warning(large: Sequence[int], lost: Sequence[int], limits: Limits) -> str:
    told = []
    if large:
        most = f"{limits.picture_pixels / 1e6:g} million pixels"
        told.append(f"With pictures of more than {most}, and so not read: {named(large)}.")
    if lost:
        told.append(f"Damaged and left out: {named(lost)}.")
    return " ".join(told)
