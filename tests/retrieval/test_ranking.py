"""From two lists of scores to one."""

from retrieval.ranking import fused


def test_a_passage_that_both_legs_find_middling_comes_before_the_best_of_one() -> None:
    cosines = {1: 0.8, 2: 0.7, 3: 0.2}
    words = {2: 9.0, 3: 10.0}

    scores = fused(cosines, words, 0.5)

    assert max(scores, key=scores.__getitem__) == 2


def test_the_least_score_of_words_still_counts_more_than_no_word() -> None:
    cosines = {1: 0.5, 2: 0.5, 3: 0.5}
    words = {1: 8.0, 2: 6.0}

    scores = fused(cosines, words, 0.5)

    assert scores[1] > scores[2] > scores[3]
    assert scores[2] - scores[3] > scores[1] - scores[2]


def test_without_words_the_cosine_decides_alone() -> None:
    assert fused({1: 0.3, 2: 0.6}, {}, 0.5) == {1: 0.0, 2: 0.5}
