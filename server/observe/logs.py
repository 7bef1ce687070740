"""How log lines are written: with the id of their request, and without anybody's text.

Messages of errors quote what they complain about, so errors are written as their type, their code and the
places in the code. Owns the root logger's set-up, which only `repertory serve` asks for.
"""

import asyncio
import linecache
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import TextIO

import orjson

from core.errors import RepertoryError
from server.observe.request import current_request

FIELDS = "fields"
"""Key in `extra` under which a line carries named values beside its message."""

_OURS = ("server", "retrieval", "adapters", "actions", "core")
_MCP = ("mcp", "client")
_FRAMES = 30


def set_up(level: str, form: str, stream: TextIO | None = None) -> None:
    """Write log lines to `stream`, else to standard error, in the form `text` or `json`.

    Libraries are held at WARNING: their debug output shows headers, addresses and bodies.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it repeats itself; ours says it once
    for name in _MCP:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # its errors quote answers; ours say what failed
    for name in _OURS:
        logging.getLogger(name).setLevel(level)


class TextLines(logging.Formatter):
    """One line for eyes; an error's places in the code follow on lines of their own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        note = current_request()
        request = f" [{note.id}]" if note else ""
        fields = "".join(f" {name}={value}" for name, value in _fields(record))
        line = f"{stamp} {record.levelname} {record.name}{request}: {_message(record)}{fields}"
        return "\n".join([line, *_exception(record)])


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        if note := current_request():
            line["request_id"] = note.id
        line.update(_fields(record))
        if lines := _exception(record):
            line["exception"] = lines
        return orjson.dumps(line, default=str).decode()


def described(error: BaseException) -> Iterator[str]:
    """Yield an error and what caused it: types, codes and places, never a message."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield _kind(current)
        for frame, line in list(traceback.walk_tb(current.__traceback__))[-_FRAMES:]:
            code = frame.f_code
            source = linecache.getline(code.co_filename, line).strip()
            yield f"  {code.co_filename}:{line} in {code.co_name}: {source}"
        if isinstance(current, BaseExceptionGroup):
            yield f"  ({len(current.exceptions)} errors, of which the first is)"
            current = current.exceptions[0]
        else:
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def on_loop_error(_loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    """Log what nobody awaited; asyncio's own handler would print the error's message with it."""
    error = context.get("exception")
    known = error if isinstance(error, BaseException) else None
    logging.getLogger("server.loop").error("%s", context.get("message"), exc_info=known)


def _kind(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, RepertoryError):
        return f"{name} ({error.code})"
    if isinstance(error, OSError) and error.strerror:
        return f"{name} ({error.strerror})"
    return name


def _message(record: logging.LogRecord) -> str:
    """Return the line's message; an error among its values counts as its kind, since its text quotes."""
    values = record.args
    if isinstance(values, tuple):
        record.args = tuple(_kind(one) if isinstance(one, BaseException) else one for one in values)
    return record.getMessage()


def _exception(record: logging.LogRecord) -> list[str]:
    error = record.exc_info[1] if record.exc_info else None
    return [] if error is None else list(described(error))


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    note, fields = current_request(), getattr(record, FIELDS, None)
    if note is not None and note.client_id is not None:
        yield "client_request_id", note.client_id
    if isinstance(fields, Mapping):
        yield from ((name, value) for name, value in fields.items() if value is not None)
