"""The index of words: what is a token, what is found, and that ending early and filters lose nothing."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.live_words import LiveWords
from retrieval.word_index import PassageWords, WordIndex, tokens

_CHANCE = np.random.default_rng(3)
_VOCABULARY = [f"word{number}" for number in range(300)]


def _texts(count: int) -> list[str]:
    """Return texts whose words are as unequally frequent as those of a language."""
    places = np.minimum(_CHANCE.zipf(1.3, (count, 30)), 300) - 1
    return [" ".join(_VOCABULARY[place] for place in row) for row in places]


_TEXTS = _texts(3000)


def _passages(texts: list[str], first: int = 1) -> list[PassageWords]:
    return [PassageWords(first + number, words) for number, words in enumerate(texts)]


@pytest.fixture(scope="module")
def index() -> WordIndex:
    return WordIndex.in_memory(_passages(_TEXTS))


def _scores(index: WordIndex, weights: dict[str, float]) -> dict[int, float]:
    """Return BM25 of every passage, as Robertson and Zaragoza (2009) write it."""
    words = [text.split() for text in _TEXTS]
    mean = sum(map(len, words)) / len(words)
    scores = {}
    for row, held in enumerate(words, start=1):
        times = {token: held.count(token) for token in weights}
        scores[row] = sum(
            weight * 2.2 * times[token] / (times[token] + 1.2 * (0.25 + 0.75 * len(held) / mean))
            for token, weight in weights.items()
        )
    return {row: score for row, score in scores.items() if score > 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Boots, returned; unworn!", ["boot", "return", "unworn"]),
        ("snake_case and kebab-case", ["snake", "case", "and", "kebab", "case"]),
        ("ERR-4711", ["err", "4711"]),
        ("Überzug café CAFE\u0301", ["uberzug", "cafe", "cafe"]),
        ("東京 Ελλάδα", ["東京", "ελλάδα"]),
        ('" OR NEAR( * ^ title:', ["or", "near", "titl"]),
        ("\0 \t", []),
    ],
)
def test_a_token_is_a_run_of_letters_and_digits_without_case_accent_and_ending(
    text: str, expected: list[str]
) -> None:
    assert tokens(text) == expected


@given(text=st.text(max_size=80))
def test_any_text_has_tokens_and_can_be_kept_and_found(text: str) -> None:
    index = WordIndex.in_memory([PassageWords(1, text)])

    held = tokens(text)

    assert all(index.frequency(token) == 1 for token in held)
    assert index.search(dict.fromkeys(held, 1.0), 5).rows.tolist() == ([1] if held else [])


def test_scores_are_those_of_bm25_with_the_weights_that_were_given(index: WordIndex) -> None:
    weights = {"word3": 0.7, "word40": 2.5, "word200": 4.0}

    found = index.search(weights, 4000)

    expected = _scores(index, weights)
    assert set(found.rows.tolist()) == expected.keys()
    assert [expected[row] for row in found.rows.tolist()] == pytest.approx(found.scores.tolist(), rel=1e-4)


@pytest.mark.parametrize("share", [2, 10, 100, 1000])
def test_what_is_found_among_some_rows_is_the_best_of_all_that_are_among_them(
    index: WordIndex, share: int
) -> None:
    weights = {"word1": 0.2, "word7": 1.0, "word90": 3.0}
    allowed = np.sort(_CHANCE.choice(index.rows, len(index.rows) // share, replace=False))
    barred = allowed[::3]

    found = index.search(weights, 10, allowed, barred)

    everything = index.search(weights, 4000)
    wanted = np.isin(everything.rows, np.setdiff1d(allowed, barred))
    assert found.scores.tolist() == pytest.approx(everything.scores[wanted][:10].tolist())
    assert np.isin(found.rows, everything.rows[wanted]).all()


def test_nothing_is_found_among_no_rows_and_of_words_that_nobody_holds(index: WordIndex) -> None:
    assert not len(index.search({"word1": 1.0}, 10, np.empty(0, np.int64)).rows)
    assert not len(index.search({"kettle": 1.0}, 10).rows)
    assert not len(index.search({"word1": 1.0}, 10, barred=index.rows).rows)


def test_a_phrase_is_held_only_where_its_tokens_follow_one_another() -> None:
    texts = ["code ERR-4711 of the slip", "4711 is no err", "err_4711.html", "errors of 4711"]
    index = WordIndex.in_memory(_passages(texts))

    assert sorted(index.holders(["err", "4711"], 9).tolist()) == [1, 3]
    assert sorted(index.holders(["4711"], 9).tolist()) == [1, 2, 3, 4]
    assert len(index.holders(["4711"], 2)) == 2


def test_a_written_index_finds_what_one_in_memory_finds(index: WordIndex, tmp_path: Path) -> None:
    WordIndex.write(_passages(_TEXTS), tmp_path)

    again = WordIndex.read(tmp_path)

    weights = {"word2": 0.3, "word50": 2.0}
    assert again.search(weights, 20).rows.tolist() == index.search(weights, 20).rows.tolist()
    assert again.rows.tolist() == index.rows.tolist()


def test_an_index_that_cannot_be_read_or_written_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"meta\.json"):
        WordIndex.read(tmp_path)
    with pytest.raises(OSError, match="missing"):
        WordIndex.write(_passages(["words"]), tmp_path / "missing")


def test_a_grown_index_scores_as_if_it_had_been_made_at_once_and_the_one_before_stays() -> None:
    before = WordIndex.in_memory(_passages(_TEXTS[:1000]))
    expected = before.search({"word5": 1.0}, 2000).rows.tolist()
    grown = before
    for first in range(1000, 2000, 50):
        grown = grown.grown(_passages(_TEXTS[first : first + 50], first + 1))

    once = WordIndex.in_memory(_passages(_TEXTS[:2000]))

    weights = {"word5": 0.5, "word60": 2.0}
    assert grown.search(weights, 30).scores.tolist() == pytest.approx(once.search(weights, 30).scores.tolist())
    assert grown.rows.tolist() == once.rows.tolist()
    assert before.search({"word5": 1.0}, 2000).rows.tolist() == expected


def test_live_words_find_what_came_and_nothing_that_is_gone(tmp_path: Path) -> None:
    WordIndex.write(_passages(_TEXTS[:2000]), tmp_path)
    live = LiveWords(WordIndex.read(tmp_path))
    gone = np.arange(1, 200, dtype=np.int64)

    live = live.without(gone).grown(_passages(_TEXTS[2000:2100], 2001))

    rows = [*range(200, 2101)]
    assert (live.rows.tolist(), live.count, live.latest) == (rows, len(rows), 2100)
    assert live.changed == pytest.approx((199 + 100) / len(rows))
    found = live.search({"word1": 1.0}, 4000).rows
    holders = [row for row in rows if "word1" in _TEXTS[row - 1].split()]
    assert sorted(found.tolist()) == holders
    assert sorted(live.holders(["word1"], 4000).tolist()) == holders
    assert live.frequency("word1") == sum("word1" in text.split() for text in _TEXTS[:2100])


def test_words_of_nothing_are_empty() -> None:
    empty = LiveWords()

    assert (empty.count, empty.latest, empty.changed, empty.frequency("word1")) == (0, 0, 0.0, 0)
    assert not len(empty.search({"word1": math.e}, 5).rows)
    assert not len(empty.holders(["word1"], 5))
