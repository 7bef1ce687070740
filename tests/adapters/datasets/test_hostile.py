"""Files that were made to hurt: each ends in findings, in bounded memory, and asks nobody anything."""

import json
import socket
import time
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import pytest

from adapters.datasets.apart import check_apart
from adapters.datasets.finding import KEPT
from adapters.datasets.reading import check_dataset, read_dataset
from core.errors import InvalidRequest
from tests.adapters.datasets.rows import RESULT, A, S, U, call, talk, write

MB = 1_000_000


def test_a_hundred_megabytes_on_one_line_are_one_finding_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(talk(S, U, A).encode() + b"\n")
        _fill(file, b"x" * MB, 100)
        file.write(b"\n" + talk(S, U, A).encode())
    tracemalloc.start()
    dataset = check_dataset(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(fault.line, fault.code) for fault in dataset.faults] == [(2, "line_too_long")]
    assert [example.line for example in dataset.examples] == [1, 3]
    assert most < 20 * MB


def test_a_million_bad_lines_are_counted_and_a_bounded_number_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"x\n" * 200_000)
    dataset = check_dataset(path)
    assert (dataset.errors, dataset.counts) == (200_000, {"invalid_json": 200_000})
    assert len(dataset.findings) == KEPT


def test_line_ends_of_windows_and_a_last_line_without_end_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(f"{talk(S, U, A)}\r\n{talk(S, U, A)}".encode())
    assert [example.line for example in read_dataset(path).examples] == [1, 2]


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbf"])
def test_broken_utf8_is_told_by_line(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(talk(S, U, A).encode() + b'\n{"messages": "' + raw + b'"}\n')
    assert [(fault.line, fault.code) for fault in check_dataset(path).faults] == [(2, "not_utf8")]


def test_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "utf16.jsonl"
    path.write_bytes(talk(S, U, A).encode("utf-16"))
    assert {fault.code for fault in check_dataset(path).faults} == {"not_utf8"}


def test_a_schema_elsewhere_is_never_fetched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        tool = {"type": "function", "function": {"name": "count", "parameters": {"$ref": address}}}
        path = write(tmp_path, talk(S, U, call(), RESULT, A, tools=[tool]))
        assert [fault.code for fault in check_dataset(path).faults] == ["tools_invalid"]
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_pattern_that_takes_years_holds_up_nobody_else(tmp_path: Path) -> None:
    slow = {"type": "object", "properties": {"n": {"type": "string", "pattern": "^(a+)+$"}}}
    tool = {"type": "function", "function": {"name": "count", "parameters": slow}}
    arguments = json.dumps({"n": "a" * 60 + "!"})
    path = write(tmp_path, talk(S, U, call(arguments), RESULT, A, tools=[tool]))
    began = time.monotonic()
    with pytest.raises(InvalidRequest) as refusal:
        check_apart(path, "slow.jsonl", seconds=8)
    assert refusal.value.code == "check_too_slow"
    assert time.monotonic() - began < 30


def test_a_file_is_checked_apart_as_it_is_here(tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A), talk(U), "x")
    verdict = check_apart(path, "mine.jsonl")
    assert (verdict.rows, verdict.errors) == (2, 2)
    assert verdict.told[1].startswith("line 3: Not JSON at column 1")


def _fill(file: BinaryIO, piece: bytes, times: int) -> None:
    for _ in range(times):
        file.write(piece)
