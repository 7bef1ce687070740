"""A file's text with its pages, and how it is put together. Knows no format."""

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.parsing.refusal import FileRefusedError

PAGE_BREAK = "\n\n"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, slide or sheet: the characters `[start, end)` of the text.

    Attributes:
        number: counted from 1.
        heading: headings above it that are not in the text (from a PDF's outline), joined by ` > `.
    """

    start: int
    end: int
    number: int
    heading: str = ""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The text of a file, with line feeds as line ends and without NUL.

    Attributes:
        markdown: whether lines that look like Markdown headings are headings.
        pages: in order, without overlap; empty where the format has none.
        warning: what was left out, in words for the file's owner; empty if nothing was.
    """

    text: str
    markdown: bool
    pages: tuple[Page, ...] = ()
    warning: str = ""


def normalised(text: str) -> str:
    """Return `text` with line feeds as line ends, without NUL and without what UTF-8 cannot carry."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class Assembly:
    """Text that grows page by page, up to a limit."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._parts: list[str] = []
        self._pages: list[Page] = []
        self._length = 0

    def add(self, lines: str | Sequence[str], *, page: int | None = None, heading: str = "") -> None:
        """Add a part, or a whole page.

        Raises:
            FileRefusedError: it becomes too much.
        """
        text = normalised(lines if isinstance(lines, str) else "\n".join(lines)).rstrip()
        if not text.strip():
            return
        start = self._length
        self._grow(text)
        if page is not None:
            self._pages.append(Page(start, self._length, page, heading))
        self._grow(PAGE_BREAK)

    def document(self, *, markdown: bool, warning: str = "") -> ParsedDocument:
        """Return what was put together.

        Raises:
            FileRefusedError: there is no text at all.
        """
        text = "".join(self._parts).rstrip()
        if not text:
            raise FileRefusedError("There is no text in it. Write something into it or remove it.")
        return ParsedDocument(text, markdown, tuple(self._pages), warning)

    def _grow(self, text: str) -> None:
        self._length += len(text)
        if self._length > self._max_characters:
            raise FileRefusedError(
                f"It holds more than {self._max_characters:,} characters of text. Split it into several files."
            )
        self._parts.append(text)
