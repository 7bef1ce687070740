"""What the words of a question weigh, over one store and over several, and which passages hold its identifiers."""

import numpy as np
import pytest

from retrieval.lexicon import MAX_TERMS, Searched, search
from retrieval.live_words import LiveWords
from retrieval.word_index import PassageWords

_FILLING = [f"Kettles of kind{number} boil water for a while and for people." for number in range(40)]


def _words(texts: list[str], first: int = 1) -> LiveWords:
    return LiveWords().grown([PassageWords(first + number, text) for number, text in enumerate(texts)])


def test_a_rare_word_weighs_more_than_common_ones_together() -> None:
    words = _words(["Kettles boil water for people for a while.", "A lid of copper.", *_FILLING])

    scores = search([Searched(words)], "for a while people boil copper water", 10).scores

    assert max(scores, key=scores.__getitem__) == 2


def test_stores_that_are_searched_together_score_as_one() -> None:
    texts = ["A lid of copper.", "A lid of tin and copper, and more words.", *_FILLING]
    together = search([Searched(_words(texts))], "copper lid for water", 20).scores

    apart = search(
        [Searched(_words(texts[::2])), Searched(_words(texts[1::2], 100))], "copper lid for water", 20
    ).scores

    order = [2 * (row - 1) if row < 100 else 2 * (row - 100) + 1 for row in sorted(apart, key=apart.__getitem__)]
    assert {place + 1 for place in order[-2:]} == {1, 2}
    assert max(apart.values()) == pytest.approx(max(together.values()), rel=0.2)


def test_what_was_found_otherwise_has_the_score_that_its_words_give_it() -> None:
    texts = ["A lid of copper.", "A lid of tin and copper, and more words.", "Tea and nothing else.", *_FILLING]
    searched = [Searched(_words(texts[:2])), Searched(_words(texts[2:], 3))]
    everything = search(searched, "a copper lid for water", 99).scores

    few = search(searched, "a copper lid for water", 1, known={1, 2, 3, 9}).scores

    assert few == {1: everything[1], 2: everything[2], 9: everything[9]}


@pytest.mark.parametrize("asked", ["err-4711", "What does ERR-4711 mean?", "see err_4711", "4711-err ERR/4711"])
def test_passages_that_hold_a_rare_identifier_are_named_however_it_is_written(asked: str) -> None:
    texts = ["The code ERR-4711 is on the slip.", "4711 boots and no error: err.", *_FILLING]

    found = search([Searched(_words(texts))], asked, 10)

    assert found.exact == {1}
    assert 1 in found.scores


def test_an_identifier_that_many_hold_is_none() -> None:
    texts = [f"Version v1.2 has kettle{number}." for number in range(30)]

    assert not search([Searched(_words(texts))], "v1.2", 10).exact


def test_a_holder_of_an_identifier_is_found_beside_better_passages() -> None:
    chatter = ["boots bought in a sale sent back worn twice"] * 60
    texts = [
        "It says E-77 there, in a very long passage about kettles, lids, tea and water." * 3,
        *chatter,
        *_FILLING,
    ]

    found = search([Searched(_words(texts))], "boots bought in a sale sent back worn twice with e-77", 20)

    assert found.exact == {1}
    assert 1 in found.scores


def test_what_is_not_allowed_is_neither_found_nor_named() -> None:
    texts = ["The code ERR-4711 is on the slip.", "The code ERR-4711 is in the log.", *_FILLING]

    found = search([Searched(_words(texts), np.array([2, 5, 6], np.int64))], "code ERR-4711 for kettles", 10)

    assert found.exact == {2}
    assert set(found.scores) <= {2, 5, 6}


def test_of_a_pasted_text_the_rarest_words_count() -> None:
    telling = "copper"
    common = " ".join(f"kind{number}" for number in range(2 * MAX_TERMS))
    texts = [f"A lid of {telling}.", *[f"{common} kettle{number}" for number in range(40)]]

    scores = search([Searched(_words(texts))], f"{common} {telling}", 10).scores

    assert max(scores, key=scores.__getitem__) == 1


def test_a_question_without_words_finds_nothing() -> None:
    assert not search([Searched(_words(_FILLING))], "?!", 10).scores
    assert not search([], "kettles", 10).scores
    assert not search([Searched(LiveWords())], "kettles ERR-4711", 10).scores


def test_an_empty_store_beside_another_changes_nothing() -> None:
    words = _words(["The code ERR-4711 is on the slip.", *_FILLING])

    found = search([Searched(_words([])), Searched(words)], "code ERR-4711", 10)

    assert found == search([Searched(words)], "code ERR-4711", 10)
    assert found.exact == {1}
