"""PDF by pdfium: the text of each page, in the library's reading order. The only place that imports pypdfium2."""

from collections.abc import Iterator, Sequence

import pypdfium2 as pdfium
from pypdfium2 import raw

from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

_HARDLY_ANY = 20
"""Characters up to which a page with pictures counts as scanned: a stamp or a page number is no text."""

_PICTURE_DEPTH = 3
_PAGE_HEAD = 100
_HYPHEN = "\ufffe"  # what pdfium writes for a hyphen that ends a line, in place of both
_REASONS = {
    raw.FPDF_ERR_PASSWORD: "It is encrypted. Save it without a password.",
    raw.FPDF_ERR_SECURITY: "It is encrypted in a way that cannot be read. Save it without protection.",
}


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return text and pages of a PDF.

    Raises:
        FileRefusedError: it is encrypted, broken, too long, scanned, or empty.
    """
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        reason = _REASONS.get(error.err_code or 0, "It is damaged, or no PDF. Open it and save it as PDF again.")
        raise FileRefusedError(reason) from error
    if len(document) > limits.pages:
        raise FileRefusedError(f"It has {len(document):,} pages, more than {limits.pages:,}. Split it.")
    assembly = Assembly(limits.text_characters)
    outline = _outline(document)
    scanned: list[int] = []
    lost: list[int] = []
    legible = False
    for number in range(1, len(document) + 1):
        try:
            text, pictured = _page(document, number - 1)
        except pdfium.PdfiumError:
            lost.append(number)
            continue
        if len("".join(text.split())) >= _HARDLY_ANY:
            legible = True
        elif pictured:
            scanned.append(number)
        assembly.add(text, page=number, heading=_heading(outline, number, text))
    if scanned and not legible:
        raise FileRefusedError(
            "Its pages are pictures. Scans are not read yet: run text recognition over it first."
        )
    return assembly.document(markdown=False, warning=_warning(scanned, lost))


def _page(document: pdfium.PdfDocument, index: int) -> tuple[str, bool]:
    """Return the text of a page, and whether it has pictures where it has hardly any text."""
    page = document.get_page(index)
    try:
        text = str(page.get_textpage().get_text_range()).replace(_HYPHEN, "")
        if len(text) > 10 * _HARDLY_ANY:
            return text, False
        pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=_PICTURE_DEPTH)
        return text, next(iter(pictures), None) is not None
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


def _warning(scanned: Sequence[int], lost: Sequence[int]) -> str:
    told = []
    if scanned:
        told.append(f"Scanned and not read yet: {_pages(scanned)}.")
    if lost:
        told.append(f"Damaged and left out: {_pages(lost)}.")
    return " ".join(told)


def _pages(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10])) + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")
    return f"page{'s' if len(numbers) > 1 else ''} {shown}"
