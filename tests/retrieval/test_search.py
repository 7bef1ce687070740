"""What a search returns, and what no query can do to it."""

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import Knowledge, SearchResult
from tests.fakes.embedder import WordEmbedder


@pytest.fixture
def filled(knowledge: Knowledge, folder: Path) -> Knowledge:
    knowledge.sync("support", folder)
    return knowledge


def test_best_passage_comes_first_with_its_place_and_scores(filled: Knowledge) -> None:
    result = filled.search(["support"], "boots bought in a sale may be sent back")

    best = result.passages[0]
    assert (best.store, best.path, best.title, best.heading) == ("support", "returns.md", "Returns", "Window")
    assert best.cosine == pytest.approx(result.best_cosine)
    assert 0 < best.score <= 1
    assert [passage.score for passage in result.passages] == sorted(
        (passage.score for passage in result.passages), reverse=True
    )


def test_nothing_is_found_below_the_floor(filled: Knowledge) -> None:
    result = filled.search(["support"], "quantum chromodynamics lattice", floor=0.35)

    assert result.passages == ()
    assert result.best_cosine < 0.35


def test_rare_identifier_is_found_even_below_the_floor(filled: Knowledge) -> None:
    result = filled.search(["support"], "err-4711", floor=0.9)

    assert [passage.heading for passage in result.passages] == ["Error codes"]


def test_common_word_does_not_pass_below_the_floor(filled: Knowledge) -> None:
    assert filled.search(["support"], "working days", floor=0.9).passages == ()


@pytest.mark.parametrize(
    "query",
    [
        '" OR NEAR( * ^',
        "",
        "   ",
        "🙂🙂",
        "a" * 100_000,
        "\ud800",
        "NOT AND OR",
        "x\0y",
        "title:boots",
        "-",
        "''",
    ],
)
def test_hostile_query_gives_an_answer_and_no_error(filled: Knowledge, query: str) -> None:
    assert isinstance(filled.search(["support"], query), SearchResult)


@given(query=st.text(max_size=60))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_query(filled: Knowledge, query: str) -> None:
    assert isinstance(filled.search(["support"], query), SearchResult)


def test_top_k_counts_over_all_stores_together(filled: Knowledge, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    for number, name in enumerate(["one", "two", "three"]):
        (second / f"{name}.txt").write_text(f"Boots of the kind {name} are sold in shop {number}.")
    filled.sync("shops", second)

    both = filled.search(["support", "shops"], "boots sold in a shop", top_k=3, floor=0.0)
    only = filled.search(["support"], "boots sold in a shop", top_k=3, floor=0.0)

    assert len(both.passages) == 3
    assert {passage.store for passage in both.passages} >= {"shops"}
    assert {passage.store for passage in only.passages} == {"support"}


def test_copies_of_a_passage_are_shown_once(filled: Knowledge, folder: Path) -> None:
    (folder / "copy.md").write_text((folder / "returns.md").read_text())
    (folder / "other.txt").write_text("Boots bought in a sale may be sent back within 22 days.")
    (folder / "another.txt").write_text("Boots bought in a sale may be sent back within 35 days.")
    filled.sync("support", folder)

    found = filled.search(["support"], "boots bought in a sale may be sent back", top_k=9, floor=0.0).passages

    texts = [passage.text for passage in found]
    assert len(texts) == len(set(texts))
    assert {"other.txt", "another.txt"} <= {passage.path for passage in found}


def test_one_document_leaves_room_for_others(filled: Knowledge, folder: Path) -> None:
    sections = [f"## Part {n}\n" + f"Kettle number{n} boils water in minute{n}. " * 8 for n in range(6)]
    (folder / "kettles.md").write_text("# Kettles\n" + "\n".join(sections))
    filled.sync("support", folder)

    found = filled.search(["support"], "kettle boils water", top_k=4, floor=-1.0).passages

    assert [passage.path for passage in found].count("kettles.md") == 3
    assert len(found) == 4


def test_one_document_fills_the_places_that_no_other_takes(knowledge: Knowledge, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    sections = [f"## Part {n}\n" + f"Kettle number{n} boils water in minute{n}. " * 8 for n in range(6)]
    (alone / "kettles.md").write_text("# Kettles\n" + "\n".join(sections))
    knowledge.sync("alone", alone)

    found = knowledge.search(["alone"], "kettle boils water", top_k=5, floor=0.0).passages

    assert len(found) == 5
    assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)


def test_searches_and_syncs_run_at_the_same_time(filled: Knowledge, folder: Path, embedder: WordEmbedder) -> None:
    errors: list[BaseException] = []
    results: list[SearchResult] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                results.append(filled.search(["support"], "never blame the customer"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(12):
        (folder / f"note{number % 3}.txt").write_text(f"Note {number} on kettles and their lids.")
        filled.sync("support", folder)
    done.set()
    for thread in threads:
        thread.join()

    assert errors == []
    assert results
    assert all(result.passages[0].path == "tone.txt" for result in results)
    assert embedder.embedded
