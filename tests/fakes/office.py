"""Office documents in memory, written by the libraries that people write them with."""

import io
import zipfile
from collections.abc import Mapping, Sequence

import docx
import openpyxl
import pptx

Row = Sequence[object]


def word(parts: Sequence[tuple[str, str]], table: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a DOCX.

    Args:
        parts: name of a paragraph style and the words, in their order.
        table: rows of a table at the end.
    """
    document = docx.Document()
    for style, words in parts:
        document.add_paragraph(words, style)
    if table:
        grid = document.add_table(len(table), len(table[0]))
        for row, cells in zip(grid.rows, table, strict=True):
            for cell, words in zip(row.cells, cells, strict=True):
                cell.text = words
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def slides(pages: Sequence[tuple[str, str]], *, notes: str = "", hidden: Sequence[int] = ()) -> bytes:
    """Return a PPTX of title and body of each slide; the first has notes."""
    presentation = pptx.Presentation()
    for number, (title, body) in enumerate(pages, 1):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text_frame.text = title
        slide.placeholders[1].text_frame.text = body
        if notes and number == 1:
            slide.notes_slide.notes_text_frame.text = notes
        if number in hidden:
            slide._element.set("show", "0")
    stream = io.BytesIO()
    presentation.save(stream)
    return stream.getvalue()


def workbook(sheets: Mapping[str, Sequence[Row]], *, hidden: Sequence[str] = ()) -> bytes:
    """Return an XLSX of sheets with their rows."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        if name in hidden:
            sheet.sheet_state = "hidden"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def repacked(archive: bytes, changes: Mapping[str, bytes]) -> bytes:
    """Return an Office document in which members have another content, or are new."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, content in changes.items():
            new.writestr(name, content)
    return stream.getvalue()
