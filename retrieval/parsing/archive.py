"""Looks into an Office archive before a library opens it. Knows zip and how bombs are built; reads no document."""

import io
import zipfile
import zlib

from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

_SMALL = 10_000_000
_CHUNK = 1 << 20
_OLE = (
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what Office wraps an encrypted document in, and its formats before 2007
)
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DECLARATIONS = [
    word.encode(encoding) for word in ("<!DOCTYPE", "<!ENTITY") for encoding in ("utf-8", "utf-16-le", "utf-16-be")
]
_OVERLAP = max(len(declaration) for declaration in _DECLARATIONS)


def checked(content: bytes, kind: str, limits: Limits) -> io.BytesIO:
    """Return the archive as a stream, once nothing speaks against opening it.

    Archives inside it (an embedded workbook, say) count with the bytes that they have here: nothing opens them.

    Args:
        content: the file.
        kind: the suffix, for the reason.
        limits: the bounds of members, sizes and ratio.

    Raises:
        FileRefusedError: it is no archive, encrypted, a bomb, or has XML that defines entities.
    """
    if content.startswith(_OLE):
        raise FileRefusedError(
            f"It is encrypted, or of Office's format before 2007. Save it as .{kind} without a password."
        )
    stream = io.BytesIO(content)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            _check_sizes(members, len(content), limits)
            if "[Content_Types].xml" not in archive.namelist():
                raise FileRefusedError(f"It is a zip archive, but no .{kind} document. Give it its right name.")
            for member in members:
                if member.filename.lower().endswith((".xml", ".rels", ".vml")):
                    _check_xml(archive, member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as error:
        raise FileRefusedError(
            f"It is no .{kind} document inside (not a whole zip archive). Open it and save it as .{kind} again."
        ) from error
    stream.seek(0)
    return stream


def _check_sizes(members: list[zipfile.ZipInfo], packed: int, limits: Limits) -> None:
    if len(members) > limits.archive_members:
        raise FileRefusedError(
            f"It is an archive of {len(members):,} files, more than {limits.archive_members:,}. "
            "Split the document."
        )
    if any(member.flag_bits & 0x1 for member in members):
        raise FileRefusedError("Its archive is encrypted. Save it without a password.")
    if any(member.compress_type not in _COMPRESSIONS for member in members):
        raise FileRefusedError(
            "Its archive is packed in a way that Office does not use. Save it again with Office."
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.unpacked_bytes:
        raise FileRefusedError(
            f"It unpacks to {unpacked / 1e6:,.0f} MB, more than {limits.unpacked_bytes / 1e6:g} MB. "
            "Split the document, or remove large pictures."
        )
    if unpacked > _SMALL and unpacked > limits.ratio * packed:
        raise FileRefusedError(
            f"It unpacks to {unpacked / packed:,.0f} times its size, as only a zip bomb does. Do not open it."
        )


def _check_xml(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse a document type and entities, which no Office program writes, in any of XML's usual encodings."""
    tail = b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            seen = tail + chunk
            if any(declaration in seen for declaration in _DECLARATIONS):
                raise FileRefusedError(
                    "Its XML declares entities (<!DOCTYPE>), which Office never writes. Do not trust it."
                )
            tail = seen[-_OVERLAP:]
