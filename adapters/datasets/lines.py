"""Lines of a JSONL file as JSON values, with a finding for each that is none.

Owns bytes, encoding and JSON. Reads in pieces, so that no line, however long, is in memory as a whole.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from adapters.datasets.example import JsonValue
from adapters.datasets.finding import Finding, Findings

MAX_LINE_BYTES = 1_000_000
MAX_DEPTH = 64
_PIECE = 1 << 16
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is JSON: its number from 1, its bytes without the line's end, and its value."""

    number: int
    raw: bytes
    value: JsonValue


def json_lines(file: BinaryIO, findings: Findings, seen: Callable[[bytes], object]) -> Iterator[Line]:
    """Yield the lines that are JSON; tell of the others.

    Args:
        file: at its start.
        findings: where faults go.
        seen: called with every byte of the file, in order.
    """
    for number, raw, blank_before in _numbered(file, findings, seen):
        for blank in blank_before:
            findings.add(Finding.warning(blank, "", "blank_line", "The line is blank."))
        text = _text(number, raw, findings)
        if text is None:
            continue
        try:
            value = read_json(text)
        except JsonRefused as refused:
            findings.add(Finding.error(number, "", refused.code, refused.message))
            continue
        yield Line(number, raw, value)


def _numbered(
    file: BinaryIO, findings: Findings, seen: Callable[[bytes], object]
) -> Iterator[tuple[int, bytes, list[int]]]:
    """Yield number and bytes of lines with something on them, and the blank ones before each."""
    number, blank = 0, list[int]()
    while piece := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        seen(piece)
        whole = piece.endswith(b"\n")
        if number == 1 and piece.startswith(_MARK):
            findings.add(Finding.warning(1, "", "byte_order_mark", "The file starts with a byte order mark."))
            piece = piece[len(_MARK) :]
        line = piece.rstrip(b"\r\n")
        too_long = len(line) > MAX_LINE_BYTES
        while not whole and (piece := file.readline(_PIECE)):
            seen(piece)
            whole = piece.endswith(b"\n")
            too_long = too_long or bool(piece.strip())
        if too_long:
            message = f"The line is over {MAX_LINE_BYTES} bytes."
            findings.add(Finding.error(number, "", "line_too_long", message))
        elif line.strip():
            yield number, line, blank
            blank = []
        elif len(blank) < 1_000:
            blank.append(number)


def _text(number: int, raw: bytes, findings: Findings) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        findings.add(Finding.error(number, "", "not_utf8", f"Byte {error.start} of the line is not UTF-8."))
        return None


class JsonRefused(Exception):
    """A text is no JSON, or JSON that another reader would refuse or read otherwise; `code` is a finding's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_json(text: str) -> JsonValue:
    """Return the value of a text that every reader reads alike.

    Raises:
        JsonRefused: it is none.
    """
    try:
        value: JsonValue = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_no_number, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        raise JsonRefused("invalid_json", f"Not JSON at column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # a whole number of more digits than Python reads
        raise JsonRefused("invalid_number", "A number has too many digits.") from error
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    if "\\u" in text:
        _check_characters(value)
    return value


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonRefused("duplicate_json_key", f"The key {key[:64]!r} stands twice in one object.")
            seen.add(key)
    return result


def _no_number(word: str) -> JsonValue:
    raise JsonRefused("invalid_number", f"{word} is no number of JSON.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise JsonRefused("invalid_number", f"The number {digits[:32]} is beyond what a computer counts.")
    return number


def _check_depth(value: JsonValue) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_characters(value: JsonValue) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = "The text holds half of a character (a surrogate such as \\ud800 without its other half)."
        raise JsonRefused("half_character", message) from error


def _too_deep() -> JsonRefused:
    return JsonRefused("too_deep", f"The JSON is nested more than {MAX_DEPTH} levels deep.")
