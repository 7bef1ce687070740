"""The frames between the gateway and the embedding process: a length and a kind, then bytes.

Owned by both ends; knows neither models nor processes. A frame is `<kind: u8><length: u32 little endian>`
and that many bytes: texts as a JSON list (with a query first, where pairs are meant), vectors and scores as raw
float32, errors as UTF-8.
"""

import os
import select
import struct
import time
from enum import IntEnum

_HEADER = struct.Struct("<BI")
MAX_FRAME_BYTES = 256 * 1024 * 1024


class Kind(IntEnum):
    """What a frame carries."""

    HELLO = 1
    TEXTS = 2
    VECTORS = 3
    ERROR = 4
    PAIRS = 5
    SCORES = 6


class PipeBrokenError(Exception):
    """The other end is gone, too slow, or speaks nonsense."""


def write_frame(descriptor: int, kind: Kind, payload: bytes) -> None:
    """Write one frame.

    Raises:
        PipeBrokenError: nobody reads any more.
    """
    view = memoryview(_HEADER.pack(kind, len(payload)) + payload)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise PipeBrokenError("The pipe is closed.") from error


def read_frame(descriptor: int, *, timeout: float | None = None) -> tuple[Kind, bytes]:
    """Read one frame, waiting at most `timeout` seconds.

    Raises:
        PipeBrokenError: end of file, no answer in time, or a header that makes no sense.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    number, length = _HEADER.unpack(_read(descriptor, _HEADER.size, deadline))
    if number not in list(Kind) or length > MAX_FRAME_BYTES:
        raise PipeBrokenError("The frame makes no sense.")
    return Kind(number), _read(descriptor, length, deadline)


def _read(descriptor: int, size: int, deadline: float | None) -> bytes:
    content = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(content) < size:
        if deadline is not None and not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise PipeBrokenError("There was no answer in time.")
        try:
            part = os.read(descriptor, min(size - len(content), 1 << 20))
        except OSError as error:
            raise PipeBrokenError("The pipe is closed.") from error
        if not part:
            raise PipeBrokenError("The pipe is closed.")
        content += part
    return bytes(content)
