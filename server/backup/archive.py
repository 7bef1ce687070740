"""Reading a backup that nobody vouches for: every name, size and byte is checked before it counts.

Plain files under known names are all that is taken out; nothing in an archive can name another place.
"""

import gzip
import hashlib
import shutil
import tarfile
import zlib
from pathlib import Path

from pydantic import ValidationError

from core.errors import InvalidRequest, Unavailable
from server.backup.contents import DATABASE, FORMAT, MANIFEST, FileEntry, Manifest, may_hold
from server.migrations import check_revision

_CHUNK = 1 << 20
_MOST_FILES = 300_000
_MOST_MANIFEST = 64 << 20
_SPARE = 64 << 20


class _PlainFile(tarfile.TarInfo):
    """A member that is a plain file; links, devices and extended headers are refused before they are read."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise refused(f"it holds {self.name!r}, which is no plain file")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]  # tarfile's hook, untyped


def unpack(archive: Path, folder: Path) -> Manifest:
    """Write the files of `archive` into the empty `folder` and return its manifest.

    Raises:
        InvalidRequest: it is broken, was tampered with, or holds what no backup holds.
        Conflict: a newer release took it.
        Unavailable: it does not fit on the disk.
    """
    found: dict[str, FileEntry] = {}
    if not archive.is_file():
        raise InvalidRequest(f"There is no backup at {str(archive)!r}.")
    try:
        with gzip.open(archive) as raw, tarfile.open(fileobj=raw, mode="r|", tarinfo=_PlainFile) as members:
            for member in members:
                if not may_hold(member.name) or member.name in found or len(found) >= _MOST_FILES:
                    raise refused(f"it holds {member.name[:200]!r}, which does not belong there")
                if MANIFEST in found:
                    raise refused(f"{member.name!r} stands behind the manifest")
                found[member.name] = _take_out(members, member, folder)
            if raw.read(_CHUNK).strip(b"\0"):  # reads to the end, where gzip checks its sum
                raise refused("there is something behind its end")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise refused(f"it is truncated or damaged ({error})") from error
    if MANIFEST not in found:
        raise refused("it has no manifest, so it is not whole")
    del found[MANIFEST]
    manifest = _manifest(folder / MANIFEST)
    (folder / MANIFEST).unlink()
    if manifest.files != found or DATABASE not in found:
        wrong = sorted(name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name))
        raise refused(f"{wrong[0] if wrong else DATABASE!r} is not what the manifest says")
    return manifest


def refused(reason: str) -> InvalidRequest:
    """Return the refusal of an archive."""
    return InvalidRequest(
        f"The backup cannot be restored: {reason}. Nothing was changed. Use another backup.", code="backup_refused"
    )


def _take_out(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> FileEntry:
    if member.name == MANIFEST and member.size > _MOST_MANIFEST:
        raise refused("its manifest is too large")
    if member.size > shutil.disk_usage(folder).free - _SPARE:
        raise Unavailable(
            f"{member.name!r} of the backup has {member.size} bytes, more than the disk has left.",
            code="disk_full",
        )
    source = members.extractfile(member)
    if source is None:
        raise refused(f"{member.name!r} cannot be read")
    place = folder / member.name
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    with place.open("xb") as file:
        place.chmod(0o600)
        while data := source.read(_CHUNK):
            digest.update(data)
            size += len(data)
            file.write(data)
    if size != member.size:
        raise refused(f"{member.name!r} is cut off")
    return FileEntry(size=size, sha256=digest.hexdigest())


def _manifest(path: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise refused("its manifest cannot be read") from error
    if manifest.format != FORMAT:
        raise InvalidRequest(
            f"The backup has the format {manifest.format}; this release reads format {FORMAT}. It was taken by "
            f"Repertory {manifest.release}: restore it with that release.",
            code="backup_too_new",
        )
    check_revision(manifest.schema_revision)
    return manifest
