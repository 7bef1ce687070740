"""Files that are no text are taken in, searched and kept like the others."""

import os
import signal
import threading
from pathlib import Path

import pytest

from core.database import Database
from core.errors import Unavailable
from retrieval import Knowledge, SyncReport
from retrieval.parsing import Parser
from tests.fakes.embedder import WordEmbedder
from tests.fakes.office import slides, word, workbook
from tests.fakes.pdf import pdf
from tests.faults.world import eventually
from tests.retrieval.parsing.test_hostile import ENDLESS

RETURNS = [
    "Returns\nBoots from a sale may be sent back.",
    "Gifts\nCards are refunded as gift cards, never as money.",
]
HANDBOOK = pdf(RETURNS, outline={"Returns": 1, "Gifts": 2})


@pytest.fixture
def parser() -> Parser:
    return Parser()


@pytest.fixture
def knowledge(database: Database, embedder: WordEmbedder, index_dir: Path, parser: Parser) -> Knowledge:
    return Knowledge(database, embedder, index_dir, parser)


def test_a_passage_of_a_pdf_knows_its_page_and_quotes_the_stored_text_exactly(
    knowledge: Knowledge, folder: Path
) -> None:
    (folder / "handbook.pdf").write_bytes(HANDBOOK)

    report = knowledge.sync("support", folder)

    assert report.added == ("handbook.pdf", "returns.md", "tone.txt")
    best = knowledge.search(["support"], "cards refunded as gift cards never as money").passages[0]
    assert (best.path, best.title, best.heading, best.page) == ("handbook.pdf", "handbook", "Gifts", 2)
    assert best.place == "page 2"
    assert knowledge.document(best.document_id).text[best.start : best.end] == best.text
    [tone] = knowledge.search(["support"], "never blame the customer").passages[:1]
    assert (tone.page, tone.place) == (None, "")


def test_a_slide_or_sheet_is_called_so_and_a_heading_of_word_is_in_the_path(
    knowledge: Knowledge, folder: Path
) -> None:
    (folder / "deck.pptx").write_bytes(slides([("Kettles", "They boil water.")]))
    parts = [
        ("Title", "Manual"),
        ("Heading 1", "Care"),
        ("Heading 2", "Lime"),
        ("Normal", "Vinegar removes lime."),
    ]
    (folder / "manual.docx").write_bytes(word(parts))
    (folder / "prices.xlsx").write_bytes(workbook({"Prices": [("Item", "Price"), ("Lamp", 12)]}))
    knowledge.sync("support", folder)

    slide = knowledge.search(["support"], "kettles boil water").passages[0]
    sheet = knowledge.search(["support"], "prices item lamp price").passages[0]
    manual = knowledge.search(["support"], "vinegar removes lime").passages[0]

    assert (slide.heading, slide.place) == ("Kettles", "slide 1")
    assert (sheet.heading, sheet.place) == ("Prices", "sheet 1")
    assert (manual.title, manual.heading, manual.page) == ("Manual", "Care > Lime", None)


def test_unchanged_bytes_are_not_parsed_again_and_their_warning_stays(
    knowledge: Knowledge, folder: Path, parser: Parser
) -> None:
    (folder / "handbook.pdf").write_bytes(pdf([*RETURNS, ""], pictured=[3]))
    first = knowledge.sync("support", folder)
    parser.close()  # whoever asks it now is told so

    second = knowledge.sync("support", folder)

    assert (second.unchanged, second.changed) == (3, False)
    assert second.warnings == first.warnings
    [warning] = second.warnings
    assert (warning.path, warning.reason) == ("handbook.pdf", "No text was found on page 3.")


def test_a_hostile_file_fails_alone_and_what_was_read_of_it_before_stays(
    knowledge: Knowledge, folder: Path
) -> None:
    (folder / "handbook.pdf").write_bytes(HANDBOOK)
    knowledge.sync("support", folder)
    (folder / "handbook.pdf").write_bytes(pdf(RETURNS, encrypted=True))
    with (folder / "log.csv").open("wb") as stream:
        stream.truncate(200_000_000)
    with (folder / "line.txt").open("wb") as stream:
        stream.truncate(200_000_000)
    (folder / "later.json").write_text('{"kettle": "boils water"}')

    report = knowledge.sync("support", folder)

    assert report.added == ("later.json",)
    assert {failure.path: failure.reason.partition(".")[0] for failure in report.failures} == {
        "handbook.pdf": "It is encrypted",
        "line.txt": "It is larger than 8 MB",
        "log.csv": "It is larger than 64 MB",
    }
    assert knowledge.search(["support"], "cards refunded as gift cards").passages[0].path == "handbook.pdf"


def test_a_worker_killed_in_a_sync_fails_its_file_and_the_next_sync_reads_it(
    knowledge: Knowledge, folder: Path, parser: Parser
) -> None:
    (folder / "handbook.pdf").write_bytes(ENDLESS)
    reports: list[SyncReport] = []
    syncing = threading.Thread(target=lambda: reports.append(knowledge.sync("support", folder)))
    syncing.start()
    eventually(lambda: parser.pid is not None)
    assert parser.pid is not None
    os.kill(parser.pid, signal.SIGKILL)
    syncing.join()

    [failure] = reports[0].failures
    assert "killed from outside" in failure.reason
    assert reports[0].added == ("returns.md", "tone.txt")

    (folder / "handbook.pdf").write_bytes(HANDBOOK)
    assert knowledge.sync("support", folder).added == ("handbook.pdf",)


def test_closing_ends_a_sync_and_leaves_searches(knowledge: Knowledge, folder: Path) -> None:
    knowledge.sync("support", folder)
    (folder / "handbook.pdf").write_bytes(HANDBOOK)
    knowledge.close()

    with pytest.raises(Unavailable, match="the server is stopping"):
        knowledge.sync("support", folder)

    assert knowledge.search(["support"], "boots bought in a sale").passages
