"""DOCX by python-docx: headings, paragraphs, lists and tables in their order. The only place that imports docx."""

import re
from collections.abc import Iterator, Mapping

import docx
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from retrieval.parsing import archive, markdown
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits

_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the text of a Word document, which knows no pages until somebody prints it.

    Raises:
        FileRefusedError: it is none, a bomb, too long, or empty.
    """
    document = docx.Document(archive.checked(content, "docx", limits))
    # Once for all: the library looks through all styles for each paragraph that is asked for its own.
    names = {style.style_id: str(style.name) for style in document.styles}
    blocks = list(document.iter_inner_content())
    levels = [None if isinstance(block, Table) else _level(block, names) for block in blocks]
    # One heading at the top is the document's title; where there are several, they are chapters below one.
    below = 0 if [level for level in levels if level in (0, 1)] == [1] else 1
    assembly = Assembly(limits.text_characters)
    for block, level in zip(blocks, levels, strict=True):
        if isinstance(block, Table):
            assembly.add(list(markdown.rows(_rows(block))))
        elif level is not None:
            assembly.add(markdown.heading(level + below, block.text))
        else:
            assembly.add(_paragraph(block, names))
    return assembly.document(markdown=True)


def _style(paragraph: Paragraph, names: Mapping[str, str]) -> str:
    return names.get(paragraph._p.style or "", "")


def _level(paragraph: Paragraph, names: Mapping[str, str]) -> int | None:
    """Return the level of a heading, 0 for the style of titles, None for everything else."""
    style = _style(paragraph, names)
    found = _HEADING.fullmatch(style)
    if not (found or style == "Title") or not paragraph.text.strip():
        return None
    return int(found[1]) if found else 0


def _paragraph(paragraph: Paragraph, names: Mapping[str, str]) -> str:
    text = markdown.escaped(paragraph.text)
    properties = paragraph._p.pPr
    listed = _style(paragraph, names).startswith("List ") or (
        properties is not None and properties.numPr is not None
    )
    return f"- {text}" if listed and text.strip() else text


def _rows(table: Table) -> Iterator[list[str]]:
    for row in table.rows:
        cells: list[str] = []
        last = None
        for cell in row.cells:
            if cell._tc is not last:  # a cell that spans columns comes once for each
                cells.append(_words(cell))
            last = cell._tc
        yield cells


def _words(cell: _Cell) -> str:
    parts = [paragraph.text for paragraph in cell.paragraphs]
    parts += ["; ".join(cells) for inner in cell.tables for cells in _rows(inner)]
    return " ".join(parts)
