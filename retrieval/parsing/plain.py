"""Text files: encodings and line ends. Knows nothing of formats."""

from retrieval.parsing.document import ParsedDocument, normalised
from retrieval.parsing.refusal import FileRefusedError


def decoded(content: bytes) -> str:
    """Return UTF-8 or, where a byte order mark says so, UTF-16 as text, the mark left out.

    Raises:
        FileRefusedError: it is neither, or no text.
    """
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise FileRefusedError(f"It is not UTF-8 text (byte {error.start + 1}). Save it as UTF-8.") from error
    if "\0" in text:
        raise FileRefusedError("It holds NUL characters, so it is no text. Save it as UTF-8 text.")
    if not text.strip():
        raise FileRefusedError("It is empty. Write something into it or remove it.", keeps_last_good=False)
    return text


def parse(content: bytes, *, markdown: bool) -> ParsedDocument:
    """Return a text file as it stands.

    Raises:
        FileRefusedError: it is no text.
    """
    return ParsedDocument(normalised(decoded(content)), markdown)
