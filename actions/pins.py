"""Documents from URLs, pinned: what was accepted, and what the URL holds instead by now.

Owns a folder of the data directory: the texts by their SHA-256, and one small file for each URL, written last and
at once. A text whose bytes changed on disk is never used. Must never know personas or the network.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actions.errors import DocumentInvalid
from core.durable import bring_to_disk

_HASH = "^[0-9a-f]{64}$"


class Pin(BaseModel):
    """What is known of a URL.

    Attributes:
        accepted: hash of the document that serves.
        offered: hash of the document that was there last, if it is another one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    url: str
    accepted: str = Field(pattern=_HASH)
    offered: str | None = Field(None, pattern=_HASH)


def hash_of(text: str) -> str:
    """Return the SHA-256 by which a document is known."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of one data directory. All methods block."""

    folder: Path

    def get(self, url: str) -> Pin | None:
        """Return what is known of `url`.

        Raises:
            DocumentInvalid: its file cannot be read.
        """
        try:
            return Pin.model_validate_json(self.path(url).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            raise DocumentInvalid(
                f"What was accepted of {url!r} cannot be read ({str(self.path(url))!r}). Restore a backup, or "
                "remove that file to accept what the address holds now."
            ) from error

    def text(self, sha256: str) -> str | None:
        """Return the text of that hash, or None where it is not kept or no longer what it was."""
        try:
            text = (self.folder / sha256).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return text if hash_of(text) == sha256 else None

    def keep(self, text: str) -> str:
        """Keep `text` and return its hash."""
        sha256 = hash_of(text)
        if self.text(sha256) is None:
            self._write(self.folder / sha256, text.encode())
        return sha256

    def accept(self, url: str, text: str) -> Pin:
        """Let `text` serve for `url` from now on."""
        pin = Pin(url=url, accepted=self.keep(text))
        self._write(self.path(url), pin.model_dump_json().encode())
        return pin

    def offer(self, pin: Pin, text: str) -> Pin:
        """Note what the URL holds now; what is accepted stays so."""
        sha256 = self.keep(text)
        noted = pin.model_copy(update={"offered": None if sha256 == pin.accepted else sha256})
        if noted != pin:
            self._write(self.path(pin.url), noted.model_dump_json().encode())
        return noted

    def path(self, url: str) -> Path:
        """Return where it is written what is known of `url`."""
        return self.folder / f"{hash_of(url)}.json"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, beside = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(beside).replace(path)
            finally:
                Path(beside).unlink(missing_ok=True)
            bring_to_disk(self.folder)
        except OSError as error:
            raise DocumentInvalid(
                f"The document cannot be kept in {str(self.folder)!r} ({error.strerror}). "
                "Check rights and free space there."
            ) from error
