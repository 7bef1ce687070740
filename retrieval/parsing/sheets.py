"""XLSX by openpyxl: a page a sheet, its rows with their column names. The only place that imports openpyxl."""

import datetime
from collections.abc import Iterator

import openpyxl
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from retrieval.parsing import archive, markdown
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the cells of a workbook, formulas as the values last calculated; hidden sheets are left out.

    Raises:
        FileRefusedError: it is none, a bomb, too long, or empty.
    """
    stream = archive.checked(content, "xlsx", limits)
    workbook = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    if len(workbook.worksheets) > limits.pages:
        raise FileRefusedError(
            f"It has {len(workbook.worksheets):,} sheets, more than {limits.pages:,}. Split it."
        )
    assembly = Assembly(limits.text_characters)
    hidden = []
    for number, sheet in enumerate(workbook.worksheets, 1):
        if sheet.sheet_state != "visible":
            hidden.append(sheet.title)
            continue
        budget = limits.text_characters
        lines = [markdown.heading(2, sheet.title)]
        for line in markdown.rows(_rows(sheet, limits.rows)):
            lines.append(line)
            budget -= len(line)
            if budget < 0:
                break  # the assembly says that it is too much
        if len(lines) > 1:
            assembly.add(lines, page=number)
    warning = f"Hidden sheets were left out: {', '.join(hidden)}." if hidden else ""
    return assembly.document(markdown=True, warning=warning)


def _rows(sheet: ReadOnlyWorksheet, most: int) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # what the file says of its size may be wrong, and rows would be filled up to it
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if number >= most:
            raise FileRefusedError(f"A sheet has more than {most:,} rows. Remove the empty ones, or split it.")
        yield [_words(value) for value in row]


def _words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime) and not (value.hour or value.minute or value.second):
        return value.date().isoformat()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value)
