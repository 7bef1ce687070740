"""CSV by the standard library: each row with its column names."""

import csv
import io

from retrieval.parsing import markdown, plain
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

_DELIMITERS = ",;\t|"


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the rows of a table; the delimiter is the one that is most frequent in the first line.

    Raises:
        FileRefusedError: it is no text, not separated as it should be, or too long.
    """
    text = plain.decoded(content)
    first = text.lstrip().partition("\n")[0]
    csv.field_size_limit(limits.text_characters)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=first.count))
    assembly = Assembly(limits.text_characters)
    lines: list[str] = []
    size = 0
    try:
        for line in markdown.rows(table):
            lines.append(line)
            size += len(line)
            if size > limits.text_characters:
                break  # the assembly says that it is too much
    except csv.Error as error:
        raise FileRefusedError(f"It is no table that can be read ({error}). Save it as CSV again.") from error
    assembly.add(lines)
    return assembly.document(markdown=False)
