"""Passages out of a document: sections by heading, then pieces of a few hundred characters.

Owns sizes and character ranges; knows no files, no vectors. No character that is not white space, and no
line but a heading, is lost: `text[piece.start:piece.end] == piece.text`, and headings come back as the
piece's `heading`. No piece crosses a page.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.parsing import Page
from retrieval.records import title_path

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

SPLITTER_VERSION = "1"
"""Part of a document's content hash: raising it splits every document anew at the next sync."""

MAX_CHARACTERS = 800
_SHORT_SECTION = 200
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*\n?\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_WORD = re.compile(r"\S+")
_SEPARATORS = ["\n\n", "\n", ". ", "? ", "! ", "; ", ", ", " ", ""]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage to be: its place in the text, the headings above it, joined by ` > `, and its page, if any."""

    heading: str
    text: str
    start: int
    end: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """How large pieces are.

    Attributes:
        size: of a piece, at most.
        overlap: how much of the text before it a piece repeats, at most; part of its size.
        length: measures a text, in the unit of both.
    """

    size: int
    overlap: int = 0
    length: Callable[[str], int] = len


WHOLE_PROSE = Cut(MAX_CHARACTERS)
"""Pieces of at most 800 characters that repeat nothing."""


@dataclass(frozen=True, slots=True)
class _Section:
    headings: tuple[str, ...]
    start: int
    end: int


def title_of(text: str, fallback: str, *, markdown: bool) -> str:
    """Return the first heading of level one, or else `fallback`."""
    if markdown:
        for level, heading, _, _ in _headings(text):
            if level == 1:
                return heading
    return fallback


def split(
    text: str, *, markdown: bool, pages: Sequence[Page] = (), language: str = "", cut: Cut = WHOLE_PROSE
) -> list[Piece]:
    """Cut `text` into pieces, by default of at most 800 characters.

    A short section joins its neighbour while both fit in one piece; a long one is cut at paragraphs, lines,
    sentences, words, in this order of preference, and source code rather where a definition begins.

    Args:
        text: the whole document.
        markdown: whether lines that look like headings are headings.
        pages: each is split for itself; what lies between them is white space.
        language: of source code, as LangChain calls it; empty for prose.
        cut: how large a piece may be.
    """
    if not pages:
        return list(_page(text, _Section((), 0, len(text)), None, language, cut, markdown=markdown))
    found: list[Piece] = []
    for page in pages:
        whole = _Section((page.heading,) if page.heading else (), page.start, page.end)
        found += _page(text, whole, page.number, language, cut, markdown=markdown)
    return found


def embedding_text(title: str, heading: str, words: str) -> str:
    """Return what is embedded for a passage: `title > heading` above its text."""
    return f"{title_path(title, heading)}\n{words}"


def _headings(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Yield level, words, start and end of each ATX heading outside code fences."""
    position = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := _HEADING.match(line):
            yield len(heading[1]), heading[2].strip(), position, position + len(line)
        position += len(line)


def _page(text: str, whole: _Section, page: int | None, language: str, cut: Cut, *, markdown: bool) -> list[Piece]:
    sections = _merged(text, _sections(text, whole), cut) if markdown else []
    pieces = [piece for section in sections for piece in _pieces(text, section, page, language, cut)]
    return pieces or list(_pieces(text, whole, page, language, cut))  # what has but headings is still found


def _sections(text: str, whole: _Section) -> list[_Section]:
    sections: list[_Section] = []
    above: list[tuple[int, str]] = []
    start = whole.start
    for level, words, heading_start, heading_end in _headings(text[whole.start : whole.end]):
        sections.append(_Section(_path(above), start, whole.start + heading_start))
        above = [(other, name) for other, name in above if other < level] + [(level, words)]
        start = whole.start + heading_end
    sections.append(_Section(_path(above), start, whole.end))
    return [section for section in sections if text[section.start : section.end].strip()]


def _path(above: list[tuple[int, str]]) -> tuple[str, ...]:
    """Return the headings below the title, which every passage carries anyway."""
    return tuple(name for level, name in above if level > 1)


def _merged(text: str, sections: list[_Section], cut: Cut) -> list[_Section]:
    merged: list[_Section] = []
    for section in sections:
        last = merged[-1] if merged else None
        if (
            last is not None
            and cut.length(text[last.start : section.end]) <= cut.size
            and min(len(text[part.start : part.end].strip()) for part in (last, section)) < _SHORT_SECTION
        ):
            # The first part's headings name the joined section; the other's stand in its text.
            merged[-1] = _Section(last.headings or section.headings, last.start, section.end)
        else:
            merged.append(section)
    return merged


def _pieces(text: str, section: _Section, page: int | None, language: str, cut: Cut) -> Iterator[Piece]:
    position = section.start
    for part in _splitter(language, cut).split_text(text[section.start : section.end]):
        start = position + len(part) - len(part.lstrip())
        end = position + len(part.rstrip())
        if start < end:
            start = _earlier(text, section.start, start, cut)
            yield Piece(" > ".join(section.headings), text[start:end], start, end, page)
        position += len(part)


def _earlier(text: str, first: int, start: int, cut: Cut) -> int:
    """Return where the words begin that a piece at `start` repeats of what stands before it."""
    if not cut.overlap:
        return start
    words = [first + match.start() for match in _WORD.finditer(text[first:start])]
    low, high = 0, len(words)  # the earliest word from which the overlap is not too long
    while low < high:
        middle = (low + high) // 2
        if cut.length(text[words[middle] : start]) <= cut.overlap:
            high = middle
        else:
            low = middle + 1
    return words[low] if low < len(words) else start


@lru_cache(64)
def _splitter(language: str, cut: Cut) -> "RecursiveCharacterTextSplitter":
    # With the separators kept and nothing stripped, the parts joined are the text: ranges stay exact. Prose ends
    # with its separator (a full stop), a definition begins with it (`class`).
    # Only now: with what it imports it is 20 MB of the server's memory, and most starts split nothing.
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    own = RecursiveCharacterTextSplitter.get_separators_for_language(Language(language)) if language else None
    return RecursiveCharacterTextSplitter(
        separators=own or _SEPARATORS,
        is_separator_regex=own is not None,
        chunk_size=cut.size - cut.overlap,
        chunk_overlap=0,
        length_function=cut.length,
        keep_separator="start" if own else "end",
        strip_whitespace=False,
    )
