"""Which files are read, by their suffix, and how. Knows no library."""

from enum import StrEnum
from pathlib import PurePosixPath

from retrieval.parsing.refusal import FileRefusedError

_MARKDOWN = {".md", ".markdown"}
_TEXT = {".txt", ".text"}
_CODE = {
    ".bash": "",
    ".c": "c",
    ".cc": "cpp",
    ".cfg": "",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".css": "",
    ".ex": "elixir",
    ".exs": "elixir",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".ini": "",
    ".java": "java",
    ".js": "js",
    ".jsx": "js",
    ".kt": "kotlin",
    ".lua": "lua",
    ".mjs": "js",
    ".php": "php",
    ".pl": "perl",
    ".proto": "proto",
    ".ps1": "powershell",
    ".py": "python",
    ".pyi": "python",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "",
    ".sql": "",
    ".swift": "swift",
    ".tf": "",
    ".toml": "",
    ".ts": "ts",
    ".tsx": "ts",
    ".yaml": "",
    ".yml": "",
}
"""Suffix → name of the language among the splitter's, empty where it has none."""


class Format(StrEnum):
    """What is parsed in a process of its own."""

    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    HTML = "html"
    CSV = "csv"
    JSON = "json"
    EML = "eml"
    PICTURE = "picture"


_FORMATS = {
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".pptx": Format.PPTX,
    ".xlsx": Format.XLSX,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".json": Format.JSON,
    ".eml": Format.EML,
    ".png": Format.PICTURE,
    ".jpg": Format.PICTURE,
    ".jpeg": Format.PICTURE,
    ".tif": Format.PICTURE,
    ".tiff": Format.PICTURE,
    ".webp": Format.PICTURE,
    ".bmp": Format.PICTURE,
}
_UNITS = {Format.PPTX: "slide", Format.XLSX: "sheet"}

_READABLE = (
    "Markdown, text, PDF, DOCX, PPTX, XLSX, HTML, CSV, JSON, EML, pictures (PNG, JPEG, TIFF, WebP, BMP) "
    "and source code"
)


def format_of(name: str) -> Format | None:
    """Return the format of a file that needs a parser; None if it is plain text, or nothing that is read."""
    return _FORMATS.get(_suffix(name))


def check_readable(name: str) -> None:
    """Look whether files with such a name are read.

    Raises:
        FileRefusedError: they are not.
    """
    if _suffix(name) not in {*_FORMATS, *_MARKDOWN, *_TEXT, *_CODE}:
        raise FileRefusedError(f"Only {_READABLE} are read. Convert it, or move it away.", keeps_last_good=False)


def is_markdown(name: str) -> bool:
    """Tell whether it is a Markdown file."""
    return _suffix(name) in _MARKDOWN


def language_of(name: str) -> str:
    """Return the programming language as the splitter calls it; empty if it is none, or none that it knows."""
    return _CODE.get(_suffix(name), "")


def page_unit(name: str) -> str:
    """Return what a page of this file is called."""
    found = format_of(name)
    return _UNITS.get(found, "page") if found else "page"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
