"""Bytes of a file in, text with its pages out. The face of parsing; must stay light to import."""

from retrieval.parsing.document import Page, ParsedDocument
from retrieval.parsing.formats import check_readable, format_of, language_of, page_unit
from retrieval.parsing.limits import Limits
from retrieval.parsing.parser import Parser
from retrieval.parsing.refusal import FileRefusedError

__all__ = [
    "FileRefusedError",
    "Limits",
    "Page",
    "ParsedDocument",
    "Parser",
    "check_readable",
    "format_of",
    "language_of",
    "page_unit",
]
