"""A hostile file fails alone, and says why and what to do."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import psutil
import pytest

from core.errors import Unavailable
from retrieval.parsing import FileRefusedError, Limits, Parser
from tests.engine.server import ROOT
from tests.fakes.office import repacked, word, workbook
from tests.fakes.pdf import pdf, pdf_of_streams
from tests.faults.world import eventually

LAUGHS = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>'
ENDLESS = pdf_of_streams([b"BT /F 12 Tf 14 TL 72 760 Td " + b"(ha) Tj T* " * 6_000_000 + b"ET"])
"""A page that takes many seconds to read, in a file of 130 kB."""

HANDBOOK = word([("Normal", "Boots may be sent back.")])


def refusal(content: bytes, name: str, limits: Limits | None = None) -> str:
    with pytest.raises(FileRefusedError) as caught:
        Parser(limits).parse(content, name)
    assert caught.value.keeps_last_good
    return caught.value.reason


def zeros(megabytes: int) -> bytes:
    return bytes(megabytes * 1_000_000)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (pdf(["words"], encrypted=True), "a.pdf", "is encrypted. Save it without a password"),
        (pdf(["words"])[:200], "a.pdf", "is damaged, or no PDF"),
        (pdf(["words"], repeated=6_000), "a.pdf", "has 6,000 pages, more than 5,000. Split it"),
        (pdf([""]), "a.pdf", "no text in it"),
        (b"Dear customer", "a.docx", "not a whole zip archive"),
        (HANDBOOK[:-200], "a.docx", "not a whole zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + zeros(1), "a.xlsx", "encrypted, or of Office's format before 2007"),
        (workbook({"A": [("b",)]}), "a.docx", r"is damaged, or not of its kind \(ValueError\)"),
        (repacked(HANDBOOK, {"word/media/a.bmp": zeros(20)}), "a.docx", "only a zip bomb does"),
        (repacked(HANDBOOK, {"word/document.xml": LAUGHS.encode()}), "a.docx", "declares entities"),
        (repacked(HANDBOOK, {"word/styles.xml": LAUGHS.encode("utf-16")}), "a.docx", "declares entities"),
        (b"<div>" * 10_000 + b"deep", "a.html", "more than 256 deep"),
        (b"[" * 100_000, "a.json", "nested too deep"),
        (b'{"a": 1,}', "a.json", "no JSON"),
        ("Größe;1".encode("cp1252"), "a.csv", "not UTF-8"),
        (b"just words", "a.eml", "no e-mail"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, name: str, reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason):
        Parser().parse(content, name)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(unpacked_bytes=20_000), "unpacks to .* more than 0.02 MB"),
        (Limits(archive_members=3), "an archive of .* files, more than 3"),
        (Limits(text_characters=5), "more than 5 characters of text"),
    ],
)
def test_an_archive_beyond_a_bound_is_not_opened(limits: Limits, reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason):
        Parser(limits).parse(HANDBOOK, "a.docx")


def test_an_archive_that_lies_about_a_size_is_not_read_beyond_it() -> None:
    bomb = bytearray(repacked(HANDBOOK, {"word/media/a.xml": zeros(30)}))
    place = bomb.rindex(b"word/media/a.xml") - 46  # its entry in the directory (APPNOTE 4.3.12)
    bomb[place + 24 : place + 28] = (1_000).to_bytes(4, "little")

    assert "not a whole zip archive" in refusal(bytes(bomb), "a.docx")


def test_a_bomb_inside_a_document_is_not_opened() -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", zeros(50))
    content = repacked(HANDBOOK, {"word/embeddings/a.xlsx": inner.getvalue()})

    assert Parser().parse(content, "a.docx").text == "Boots may be sent back."


def test_a_sheet_whose_rows_have_no_end_is_given_up() -> None:
    sheet = workbook({"A": [("b",)]})
    with zipfile.ZipFile(io.BytesIO(sheet)) as archive:
        rows = archive.read("xl/worksheets/sheet1.xml").replace(b'r="1"', b'r="999999999"')

    reason = refusal(repacked(sheet, {"xl/worksheets/sheet1.xml": rows}), "a.xlsx", Limits(rows=50_000))

    assert "more than 50,000 rows" in reason


def test_what_takes_too_much_of_each_resource_says_which() -> None:
    numbers = b"[" + b"[1,2,3]," * 1_000_000 + b"1]"

    assert "more than 1 seconds of processor time" in refusal(ENDLESS, "a.pdf", Limits(cpu_seconds=1))
    assert "more than 0.05 seconds. Split" in refusal(b"[]", "a.json", Limits(wall_seconds=0.05))
    assert "more than 100 MB of memory" in refusal(numbers, "a.json", Limits(memory_bytes=100_000_000))
    assert "Its parser crashed (SIG" in refusal(ENDLESS, "a.pdf", Limits(memory_bytes=150_000_000))


def test_a_worker_that_is_killed_fails_its_file_alone_and_is_tried_again() -> None:
    parser = Parser()
    reasons: list[str] = []

    def read() -> None:
        try:
            parser.parse(ENDLESS, "a.pdf")
        except FileRefusedError as error:
            reasons.append(error.reason)

    for _ in range(2):
        reading = threading.Thread(target=read)
        reading.start()
        eventually(lambda: parser.pid is not None)
        assert parser.pid is not None
        os.kill(parser.pid, signal.SIGKILL)
        reading.join()

    assert len(reasons) == 2
    assert all("killed from outside" in reason for reason in reasons)
    assert parser.parse(b"[1]", "b.json").text == "1"


def test_what_was_refused_for_its_bytes_is_not_read_again() -> None:
    parser = Parser(Limits(cpu_seconds=1))
    with pytest.raises(FileRefusedError) as first:
        parser.parse(ENDLESS, "a.pdf")
    parser.close()  # no worker can be asked any more

    with pytest.raises(FileRefusedError) as second:
        parser.parse(ENDLESS, "copy.pdf")

    assert second.value.reason == first.value.reason


def test_closing_ends_the_worker_that_runs() -> None:
    parser = Parser()
    outcome: list[str] = []

    def read() -> None:
        try:
            parser.parse(ENDLESS, "a.pdf")
        except Unavailable as error:
            outcome.append(error.message)

    reading = threading.Thread(target=read)
    reading.start()
    eventually(lambda: parser.pid is not None)
    parser.close()
    reading.join()

    assert outcome == ["No file is read any more: the server is stopping."]
    with pytest.raises(Unavailable):
        parser.parse(b"[1]", "b.json")


_PARENT = """
import sys
from pathlib import Path
from retrieval.parsing import Parser
Parser().parse(Path(sys.argv[1]).read_bytes(), "a.pdf")
"""


def test_a_worker_dies_with_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(ENDLESS)
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path / "a.pdf")], cwd=ROOT)
    eventually(lambda: bool(psutil.Process(parent.pid).children()))
    [worker] = psutil.Process(parent.pid).children()

    parent.kill()
    parent.wait()

    eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_nothing_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        page = f'<!DOCTYPE html SYSTEM "{address}/a.dtd"><img src="{address}/a.png"><p>Words.</p>'
        relations = f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">\
<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" \
TargetMode="External" Target="{address}/a.png"/>'
        with zipfile.ZipFile(io.BytesIO(HANDBOOK)) as archive:
            old = archive.read("word/_rels/document.xml.rels").decode()
        linked = repacked(
            HANDBOOK,
            {"word/_rels/document.xml.rels": (relations + old.partition('relationships">')[2]).encode()},
        )

        assert Parser().parse(page.encode(), "a.html").text == "Words."
        assert Parser().parse(linked, "a.docx").text == "Boots may be sent back."

        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


_CONFINED = """
import json, socket, sys
from retrieval.parsing.limits import Limits
from retrieval.parsing.worker import confine
confine(Limits())
said = {}
for name, act in {
    "write": lambda: open(sys.argv[1], "wb", 0).write(b"x"),
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "run": lambda: __import__("subprocess").run(["true"]),
}.items():
    try:
        act()
    except OSError as error:
        said[name] = type(error).__name__ + " " + str(error.strerror)
print(json.dumps(said))
"""


def test_a_worker_can_write_no_file_open_no_connection_and_start_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CONFINED, str(tmp_path / "out")], cwd=ROOT, capture_output=True, check=True
    )

    assert json.loads(done.stdout) == {
        "write": "OSError File too large",
        "connect": "PermissionError None",
        "run": "PermissionError None",
    }
    assert (tmp_path / "out").read_bytes() == b""


def test_a_worker_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPERTORY_ENGINE_API_KEY", "secret")
    parser = Parser()

    def read() -> None:
        with pytest.raises(FileRefusedError):
            parser.parse(ENDLESS, "a.pdf")

    reading = threading.Thread(target=read)
    reading.start()
    eventually(lambda: parser.pid is not None)
    assert parser.pid is not None
    worker = psutil.Process(parser.pid)

    eventually(lambda: "retrieval.parsing.worker" in worker.cmdline())
    environment = worker.environ()
    worker.kill()
    reading.join()

    assert "REPERTORY_ENGINE_API_KEY" not in environment


def test_a_worker_loads_nothing_that_it_does_not_need() -> None:
    program = "import sys, retrieval.parsing.worker; print(__import__('json').dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)

    assert not {"numpy", "sqlalchemy", "langchain_core", "pypdfium2", "lxml", "PIL"} & set(json.loads(done.stdout))
