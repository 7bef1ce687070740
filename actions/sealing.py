"""Encryption of what the database keeps of other services. Owns the key file; must never know what it seals.

Fernet (AES-128-CBC with HMAC-SHA-256) of the package `cryptography`. The key file holds one key a line; the
first seals, all of them open, so that a new key can be put before an old one. The package is imported with the
first use: most servers have no accounts to seal.
"""

import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from actions.json_value import JsonObject, JsonValue
from core.durable import bring_to_disk
from core.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class Unreadable(Exception):
    """What is to be opened was sealed by another key, for another purpose, or damaged."""


class Seal:
    """Seals small objects, each for a purpose. Blocking.

    Args:
        path: the key file, made with mode 0600 when something is first sealed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fernet: MultiFernet | None = None

    def close(self, purpose: str, value: JsonObject) -> str:
        """Return `value` sealed.

        Raises:
            Conflict: others may read the key file, or it holds no keys.
            Unavailable: it cannot be made or read.
        """
        text = json.dumps({"for": purpose, "value": value}, separators=(",", ":"))
        return self._keys(make=True).encrypt(text.encode()).decode("ascii")

    def open(self, purpose: str, sealed: str) -> JsonObject:
        """Return what was sealed for `purpose`.

        Raises:
            Unreadable: it was not sealed by these keys, or for something else.
            Conflict: see `close`.
            Unavailable: see `close`.
        """
        from cryptography.fernet import InvalidToken

        try:
            opened: JsonValue = json.loads(self._keys(make=False).decrypt(sealed))
        except (InvalidToken, FileNotFoundError, ValueError) as error:
            raise Unreadable from error
        value = opened.get("value") if isinstance(opened, dict) and opened.get("for") == purpose else None
        if not isinstance(value, dict):
            raise Unreadable
        return value

    def put_new_key_first(self) -> None:
        """Seal with a new key from now on; the old ones still open."""
        self._keys(make=True)
        self._write([_new_key(), *self._read()])

    def keep_newest_key(self) -> None:
        """Forget every key but the first."""
        self._write(self._read()[:1])

    def _keys(self, *, make: bool) -> "MultiFernet":
        if self._fernet is None:
            if make and not self._path.exists():
                self._make()
            self._fernet = self._load(self._read())
        return self._fernet

    def _load(self, keys: list[str]) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet

        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise Conflict(
                f"The key file {str(self._path)!r} is damaged. Put it back from where you keep a copy, or move it "
                "away: then everybody connects their accounts again.",
                code="key_file_damaged",
            ) from error

    def _read(self) -> list[str]:
        try:
            with self._path.open(encoding="ascii", errors="replace") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise Conflict(
                        f"The key file {str(self._path)!r} can be read by others. Run `chmod 600 {self._path}`, "
                        "and `repertory action rotate` if somebody may have.",
                        code="key_file_open",
                    )
                return file.read().split()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(error) from error

    def _make(self) -> None:
        try:
            self._beside([_new_key()], lambda new: os.link(new, self._path))  # unlike a rename it never overwrites
        except FileExistsError:
            return

    def _write(self, keys: list[str]) -> None:
        self._beside(keys, lambda new: new.replace(self._path))
        self._fernet = self._load(keys)

    def _beside(self, keys: list[str], put: Callable[[Path], object]) -> None:
        new = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("".join(f"{key}\n" for key in keys))
                file.flush()
                os.fsync(file.fileno())
            put(new)
            bring_to_disk(self._path.parent)
        except FileExistsError:
            raise
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            new.unlink(missing_ok=True)

    def _unusable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"The key file {str(self._path)!r} cannot be used: {error.strerror}.", code="key_file_unusable"
        )


def _new_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode("ascii")
