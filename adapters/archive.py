"""A version as one file: a plain tar whose header names each part by size and hash. Nothing in it is trusted.

An archive is not compressed, so that it cannot be larger inside than outside; weights do not shrink anyway.
"""

import hashlib
import io
import json
import os
import secrets
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from adapters.inspection import CONFIG, FILES, WEIGHTS, ImportLimits
from adapters.refusal import AdapterRefused
from core.durable import bring_to_disk
from core.errors import InvalidRequest

HEADER = "repertory-adapter.json"
FORMAT = 1
_MOST_HEADER = 1_000_000
_MOST_JSON = 4_000_000
_SLACK = 10_000_000
_PIECE = 1 << 20


def export(folder: Path, target: Path, told: Mapping[str, object]) -> None:
    """Write the version in `folder` to a new file, whole or not at all.

    Args:
        folder: of a version whose files were verified.
        target: the archive.
        told: what the header says beside the files: name, version, digest, base, card.

    Raises:
        InvalidRequest: it cannot be written there; the message says why.
    """
    files = {name: folder / name for name in FILES if (folder / name).exists()}
    header = {
        "format": FORMAT,
        **told,
        "files": {name: {"bytes": path.stat().st_size, "sha256": _digest(path)} for name, path in files.items()},
    }
    beside = target.with_name(f".{target.name[:64]}.{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as raw:
            try:
                _write_archive(raw, header, files)
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
        bring_to_disk(target.parent)
    except OSError as error:
        raise InvalidRequest(
            f"{str(target)!r} cannot be written: {error.strerror}. Name another place.", code="archive_not_written"
        ) from error


def _write_archive(raw: IO[bytes], header: Mapping[str, object], files: Mapping[str, Path]) -> None:
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        text = json.dumps(header, sort_keys=True, indent=1).encode()
        archive.addfile(_member(HEADER, len(text)), io.BytesIO(text))
        for name, path in files.items():
            with path.open("rb") as file:
                archive.addfile(_member(name, path.stat().st_size), file)
    raw.flush()
    os.fsync(raw.fileno())


def unpack(source: Path, folder: Path, limits: ImportLimits) -> dict[str, Any]:
    """Take an archive apart into the empty `folder`, checking each byte; return its header.

    Raises:
        AdapterRefused: it is no such archive, is damaged, or holds what it must not; `code` says what.
    """
    if source.stat().st_size > limits.max_bytes + _SLACK:
        raise AdapterRefused("too_large", f"{source.name!r} is larger than an adapter may be. Raise the limit.")
    try:
        with tarfile.open(source, mode="r:") as archive:
            return _unpacked(archive, folder, limits)
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:  # all that `tarfile` lets out
        raise _damaged(f"it is no archive of ours ({error})") from error


def _unpacked(archive: tarfile.TarFile, folder: Path, limits: ImportLimits) -> dict[str, Any]:
    first = archive.next()
    if first is None or first.name != HEADER or first.size > _MOST_HEADER:
        raise _damaged(f"it does not begin with {HEADER}")
    header = _header(_content(archive, first).read())
    expected: dict[str, Any] = dict(header["files"])
    while (member := archive.next()) is not None:
        content, said = _content(archive, member), expected.pop(member.name, None)
        most = limits.max_bytes if member.name == WEIGHTS else _MOST_JSON
        if said is None or member.size != said["bytes"] or member.size > most:
            raise AdapterRefused("unexpected_file", f"The archive holds {member.name[:80]!r}, which it must not.")
        _write(content, folder / member.name, said["sha256"])
    if expected:
        raise _damaged(f"it lacks {', '.join(sorted(expected))}")
    return header


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged("its header is no JSON") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise AdapterRefused("unknown_format", f"The archive is not of the format {FORMAT}. Use a newer release.")
    files = header.get("files")
    if not isinstance(files, dict) or not {CONFIG, WEIGHTS} <= files.keys() <= set(FILES):
        raise _damaged("its header does not name the files of an adapter")
    for said in files.values():
        if not (isinstance(said, dict) and type(said.get("bytes")) is int and isinstance(said.get("sha256"), str)):
            raise _damaged("its header does not say size and hash of each file")
    return header


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """Return the bytes of a plain file; links, devices, folders and files with holes are none."""
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        raise AdapterRefused("not_a_file", f"{member.name[:80]!r} in the archive is no plain file.")
    content = archive.extractfile(member)
    if content is None:
        raise _damaged(f"{member.name[:80]!r} cannot be read")
    return content


def _write(content: IO[bytes], target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != sha256:
        raise _damaged(f"{target.name} is not what its header says")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(what: str) -> AdapterRefused:
    return AdapterRefused("archive_damaged", f"The archive cannot be taken in: {what}. Export the version again.")
