"""Scanned files become text with pages like the others; what cannot be read of them is said."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import zlib

import psutil
import pytest

from retrieval.parsing import FileRefusedError, Limits, Page, ParsedDocument, Parser
from retrieval.parsing.document import named
from retrieval.parsing.scan import completed, pages_of
from tests.engine.server import ROOT
from tests.fakes.pdf import pdf
from tests.fakes.scans import page, picture, tiff
from tests.faults.world import eventually

SMALL = (600, 300)
BOOTS = "Boots may be sent back."
CARDS = "Gift cards stay cards."
SHEET = page("\n".join([BOOTS, CARDS] * 10), size=(1240, 1754))
LONG = pdf([""] * 30, scans=dict.fromkeys(range(1, 31), SHEET))
"""Thirty pages, each of which takes seconds to read."""


def scan(text: str) -> bytes:
    return picture(page(text, size=SMALL))


def refusal(content: bytes, name: str, limits: Limits | None = None) -> str:
    with pytest.raises(FileRefusedError) as caught:
        Parser(limits).parse(content, name)
    return caught.value.reason


def test_scanned_pages_stand_between_the_others_under_their_own_numbers() -> None:
    content = pdf(
        ["Words enough to be read as text.", "", "Further words that are text.", "4"],
        scans={2: page(BOOTS, size=SMALL), 4: page(CARDS, size=SMALL)},
        outline={"Returns": 1, "Gifts": 3},
    )

    document = Parser().parse(content, "handbook.pdf")

    texts = [document.text[page.start : page.end] for page in document.pages]
    assert texts[:3] == ["Words enough to be read as text.", BOOTS, "Further words that are text."]
    assert CARDS in texts[3]
    assert [(page.number, page.heading) for page in document.pages] == [
        (1, "Returns"),
        (2, "Returns"),
        (3, ""),
        (4, "Gifts"),
    ]
    assert (document.warning, document.scanned, document.markdown) == ("", (), False)


def test_a_picture_has_no_pages_and_a_fax_has_them() -> None:
    alone = Parser().parse(scan(BOOTS), "slip.PNG")
    fax = Parser().parse(tiff([page(BOOTS, size=SMALL), page("", size=SMALL), page(CARDS, size=SMALL)]), "fax.tif")

    assert (alone.text, alone.pages) == (BOOTS, ())
    assert fax.text == f"{BOOTS}\n\n{CARDS}"
    assert [page.number for page in fax.pages] == [1, 3]
    assert fax.warning == "No text was found on page 2."


def test_a_page_of_a_picture_without_text_keeps_what_little_it_has() -> None:
    document = Parser().parse(pdf(["Words enough to be read as text.", "3"], pictured=[2]), "a.pdf")

    assert document.text.startswith("Words enough to be read as text.\n\n3")


@pytest.mark.parametrize(
    ("content", "name"),
    [(scan(""), "a.png"), (pdf([""], scans={1: page("", size=SMALL)}), "a.pdf")],
    ids=["picture", "pdf"],
)
def test_white_paper_is_said_to_be_without_text(content: bytes, name: str) -> None:
    assert "No text was found in it" in refusal(content, name)


def bomb() -> bytes:
    """Return a PNG that says it has 30,000 by 30,000 pixels (PNG specification, 11.2.2), in a few bytes."""
    whole = picture(page("", size=(30, 30)))
    head = b"IHDR" + (30_000).to_bytes(4) * 2 + whole[24:29]
    return whole[:12] + head + zlib.crc32(head).to_bytes(4) + whole[33:]


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (bomb(), "a.png", "more pixels than 80 million. Save it smaller"),
        (picture(page(BOOTS), "JPEG")[:3_000], "a.jpg", "pictures cannot be unpacked. Open it and save it again"),
        (b"GIF89a" + bytes(90), "a.png", "is damaged, or no picture"),
        (scan(BOOTS)[:20], "a.png", "is damaged, or no"),
    ],
    ids=["bomb", "truncated", "other", "head"],
)
def test_a_picture_that_cannot_be_read_says_why(content: bytes, name: str, reason: str) -> None:
    assert reason in refusal(content, name)


def test_a_picture_of_too_many_pixels_is_never_unpacked() -> None:
    limits = Limits(picture_pixels=100_000)
    large = page(BOOTS, size=(600, 300))

    assert "600 × 300 pixels, more than 0.1 million" in refusal(picture(large), "a.png", limits)
    assert "600 × 300 pixels, more than 0.1 million" in refusal(
        tiff([page("", size=(9, 9)), large]), "a.tif", limits
    )
    assert "pictures of more than 0.1 million pixels" in refusal(pdf([""], scans={1: large}), "a.pdf", limits)
    mixed = Parser(limits).parse(pdf(["Words enough to be read as text.", ""], scans={2: large}), "a.pdf")
    assert mixed.warning == "With pictures of more than 0.1 million pixels, and so not read: page 2."


def test_what_was_read_before_the_time_ended_is_kept() -> None:
    document, seconds = ParsedDocument("", markdown=False), 0
    for seconds in (6, 25, 100):  # a slow machine needs longer for the first page
        with contextlib.suppress(FileRefusedError):
            document = Parser(Limits(scan_seconds=seconds)).parse(LONG, "a.pdf")
            break

    read = [page.number for page in document.pages]
    assert read == list(range(1, len(read) + 1))
    assert 0 < len(read) < 30
    missing = named(range(len(read) + 1, 31)).capitalize()
    why = f"reading it took more than {seconds} seconds. Split it into several files."
    assert document.warning in (f"{missing} were not read: {why}", f"{missing} was not read: {why}")


def test_more_time_reads_a_file_anew() -> None:
    short, long = (Parser(Limits(scan_seconds=seconds)) for seconds in (60, 600))

    assert short.identity(b"%PDF", "a.pdf") != long.identity(b"%PDF", "a.pdf")
    assert short.identity(b"PK", "a.docx") == long.identity(b"PK", "a.docx")


def test_the_time_grows_with_the_pages_up_to_a_bound() -> None:
    seconds = [Limits(scan_seconds=1_800).for_scan(pages).wall_seconds for pages in (1, 30, 5_000)]

    assert seconds == [50, 630, 1_800]


def test_a_scan_whose_process_is_killed_is_tried_again() -> None:
    parser = Parser()
    reasons: list[str] = []

    def read() -> None:
        try:
            parser.parse(LONG, "a.pdf")
        except FileRefusedError as error:
            reasons.append(error.reason)

    for _ in range(2):
        reading = threading.Thread(target=read)
        reading.start()
        eventually(lambda: "retrieval.parsing.scanner" in _command(parser.pid))
        assert parser.pid is not None
        os.kill(parser.pid, signal.SIGKILL)
        reading.join()

    assert len(reasons) == 2
    assert all("killed from outside" in reason for reason in reasons)


def _command(pid: int | None) -> list[str]:
    try:
        return psutil.Process(pid).cmdline() if pid else []
    except psutil.NoSuchProcess:
        return []


def test_pages_that_could_not_be_read_are_named_with_the_reason() -> None:
    waiting = ParsedDocument(
        "", markdown=False, pages=tuple(Page(0, 0, n) for n in range(1, 7)), scanned=(1, 2, 3, 4, 5, 6)
    )
    said = b'{"page": 1, "text": "Words"}\n{"page": 2, "text": null}\n{"page": 3, "text": ""}\n{"page": 4, "te'

    document = completed(waiting, pages_of(said), 100, FileRefusedError("Its parser crashed (SIGSEGV)."))

    assert (document.text, document.pages) == ("Words", (Page(0, 5, 1),))
    assert document.warning == (
        "Pages 4–6 were not read: its parser crashed (SIGSEGV). Damaged and left out: page 2. "
        "No text was found on page 3."
    )
    with pytest.raises(FileRefusedError, match="crashed"):
        completed(waiting, {}, 100, FileRefusedError("Its parser crashed (SIGSEGV)."))
    with pytest.raises(FileRefusedError, match="more than 3 characters"):
        completed(waiting, {1: "Words"}, 3)


def test_page_numbers_are_told_in_runs() -> None:
    assert named([3]) == "page 3"
    assert named([1, 2, 5, 7, 8, 9]) == "pages 1–2, 5, 7–9"
    assert named(range(1, 60, 2)) == "pages 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 20 more"


_SERVER = """
import sys, server.app, server.assembly
from retrieval.parsing import Parser
words = Parser().parse(sys.stdin.buffer.read(), "a.png").text
heavy = ("rapidocr", "onnxruntime", "cv2", "PIL")
print(__import__("json").dumps([words, [name for name in heavy if name in sys.modules]]))
"""


def test_a_server_that_has_a_scan_read_loads_nothing_for_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SERVER], cwd=ROOT, input=scan(BOOTS), capture_output=True, check=True
    )

    assert json.loads(done.stdout) == [BOOTS, []]


def test_a_pdf_with_text_pays_nothing_for_recognition() -> None:
    program = (
        "import sys; from retrieval.parsing.limits import Limits; from retrieval.parsing.pdf import parse; "
        "parse(sys.stdin.buffer.read(), Limits()); print(__import__('json').dumps([*sys.modules]))"
    )
    content = pdf(["Words enough to be read as text."], pictured=[1])

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, input=content, capture_output=True, check=True
    )

    assert not {"rapidocr", "onnxruntime", "cv2", "numpy", "PIL"} & set(json.loads(done.stdout))
