"""A file's text with its pages, and how it is put together. Knows no format."""

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.parsing.refusal import FileRefusedError

PAGE_BREAK = "\n\n"
_RUNS_SHOWN = 10


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
        scanned: numbers of pages that are pictures, whose text waits for recognition. While there are any, there
            may be no text yet, and pages without characters; a picture alone has no pages and is number 1.
    """

    text: str
    markdown: bool
    pages: tuple[Page, ...] = ()
    warning: str = ""
    scanned: tuple[int, ...] = ()


def named(numbers: Sequence[int]) -> str:
    """Return page numbers in words, neighbours together: `page 3`, `pages 3, 41–60`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    shown = ", ".join("–".join(map(str, run)) for run in runs[:_RUNS_SHOWN])
    more = sum(run[-1] - run[0] + 1 for run in runs[_RUNS_SHOWN:])
    return f"page{'s' if len(numbers) > 1 else ''} {shown}" + (f" and {more} more" if more else "")


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

    def add(
        self, lines: str | Sequence[str], *, page: int | None = None, heading: str = "", waiting: bool = False
    ) -> None:
        """Add a part, or a whole page, which keeps its place without text while that waits for recognition.

        Raises:
            FileRefusedError: it becomes too much.
        """
        text = normalised(lines if isinstance(lines, str) else "\n".join(lines)).rstrip()
        if not text.strip():
            if page is not None and waiting:
                self._pages.append(Page(self._length, self._length, page, heading))
            return
        start = self._length
        self._grow(text)
        if page is not None:
            self._pages.append(Page(start, self._length, page, heading))
        self._grow(PAGE_BREAK)

    def document(self, *, markdown: bool, warning: str = "", scanned: Sequence[int] = ()) -> ParsedDocument:
        """Return what was put together.

        Raises:
            FileRefusedError: there is no text at all.
        """
        text = "".join(self._parts).rstrip()
        if not text and not scanned:
            raise FileRefusedError("There is no text in it. Write something into it or remove it.")
        return ParsedDocument(text, markdown, tuple(self._pages), warning, tuple(scanned))

    @property
    def empty(self) -> bool:
        """Whether there is no text yet."""
        return not self._length

    def _grow(self, text: str) -> None:
        self._length += len(text)
        if self._length > self._max_characters:
            raise FileRefusedError(
                f"It holds more than {self._max_characters:,} characters of text. Split it into several files."
            )
        self._parts.append(text)
