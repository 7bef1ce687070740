"""Passages out of a document: sections by heading, then pieces of a few hundred characters.

Owns sizes and character ranges; knows no files, no vectors. No character that is not white space, and no
line but a heading, is lost: `text[piece.start:piece.end] == piece.text`, and headings come back as the
piece's `heading`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from langchain_text_splitters import RecursiveCharacterTextSplitter

SPLITTER_VERSION = "1"
"""Part of a document's content hash: raising it splits every document anew at the next sync."""

MAX_CHARACTERS = 800
_SHORT_SECTION = 200
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*\n?\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SEPARATORS = ["\n\n", "\n", ". ", "? ", "! ", "; ", ", ", " ", ""]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage to be: its place in the text and the headings above it, joined by ` > `."""

    heading: str
    text: str
    start: int
    end: int


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


def split(text: str, *, markdown: bool) -> list[Piece]:
    """Cut `text` into pieces of at most 800 characters.

    A short section joins its neighbour while both fit in one piece; a long one is cut at paragraphs, lines,
    sentences, words, in this order of preference.
    """
    sections = _merged(text, _sections(text)) if markdown else []
    pieces = [piece for section in sections for piece in _pieces(text, section)]
    return pieces or list(_pieces(text, _Section((), 0, len(text))))


def embedding_text(title: str, heading: str, words: str) -> str:
    """Return what is embedded for a passage: `title > heading` above its text."""
    return f"{title} > {heading}\n{words}" if heading else f"{title}\n{words}"


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


def _sections(text: str) -> list[_Section]:
    sections: list[_Section] = []
    above: list[tuple[int, str]] = []
    start = 0
    for level, words, heading_start, heading_end in _headings(text):
        sections.append(_Section(_path(above), start, heading_start))
        above = [(other, name) for other, name in above if other < level] + [(level, words)]
        start = heading_end
    sections.append(_Section(_path(above), start, len(text)))
    return [section for section in sections if text[section.start : section.end].strip()]


def _path(above: list[tuple[int, str]]) -> tuple[str, ...]:
    """Return the headings below the title, which every passage carries anyway."""
    return tuple(name for level, name in above if level > 1)


def _merged(text: str, sections: list[_Section]) -> list[_Section]:
    merged: list[_Section] = []
    for section in sections:
        last = merged[-1] if merged else None
        if (
            last is not None
            and section.end - last.start <= MAX_CHARACTERS
            and min(len(text[part.start : part.end].strip()) for part in (last, section)) < _SHORT_SECTION
        ):
            # The first part's headings name the joined section; the other's stand in its text.
            merged[-1] = _Section(last.headings or section.headings, last.start, section.end)
        else:
            merged.append(section)
    return merged


def _pieces(text: str, section: _Section) -> Iterator[Piece]:
    position = section.start
    for part in _splitter().split_text(text[section.start : section.end]):
        start = position + len(part) - len(part.lstrip())
        end = position + len(part.rstrip())
        position += len(part)
        if start < end:
            yield Piece(" > ".join(section.headings), text[start:end], start, end)


@cache
def _splitter() -> RecursiveCharacterTextSplitter:
    # With the separators kept and nothing stripped, the parts joined are the text: ranges stay exact.
    return RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        chunk_size=MAX_CHARACTERS,
        chunk_overlap=0,
        keep_separator="end",
        strip_whitespace=False,
    )
