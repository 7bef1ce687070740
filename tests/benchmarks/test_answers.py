"""The questions about the demo's documents fit these documents, and the rules that judge citations hold."""

import pytest

from benchmarks.citation_judge import Cited, declines, judged, sentences, supports
from benchmarks.demo_knowledge import follow_ups, questions
from server.settings import ROOT

PASSAGE = "Returns > Time to return\nCustomers may send goods back within 45 days of delivery, for any reason."


def section(file: str, heading: str) -> str:
    text = (ROOT / file).read_text(encoding="utf-8")
    return next(part for part in text.split("\n## ") if part.partition("\n")[0] == heading)


def test_a_third_of_sixty_questions_or_more_has_no_answer() -> None:
    asked = questions()
    assert len(asked) >= 60
    assert len({one.question for one in asked}) == len(asked)
    assert sum(one.file is None for one in asked) * 3 >= len(asked)


def test_each_answer_stands_where_the_questions_say() -> None:
    for one in questions():
        if one.file is not None:
            assert one.heading is not None
            assert one.fact is not None
            assert one.fact in section(one.file, one.heading)
    for conversation in follow_ups():
        assert section(conversation.file, conversation.heading)
        assert len(conversation.turns) == 2


def test_a_passage_supports_a_sentence_with_its_words_and_all_its_numbers() -> None:
    assert supports(PASSAGE, "You may send goods back within 45 days.")
    assert not supports(PASSAGE, "You may send goods back within 30 days.")
    assert not supports(PASSAGE, "The driver rings the bell twice on Monday.")
    assert not supports(PASSAGE, "")


def test_what_claims_nothing_is_no_sentence() -> None:
    answer = "Topic: returns | Urgency: low\nYou have 45 days [1]. Thank you. Is that soon? Ask legal, please do."
    assert [one.text for one in sentences(answer, "Ask legal, please do.")] == ["You have 45 days."]


def test_a_sentence_goes_on_over_a_point_inside_a_word() -> None:
    assert [one.text for one in sentences("The label costs 3.90 euros. Write to a@b.example today.")] == [
        "The label costs 3.90 euros.",
        "Write to a@b.example today.",
    ]


def test_a_citation_counts_only_where_its_passage_supports_the_sentence() -> None:
    answer = "Goods come back within 45 days [1]. The driver rings on Monday [1]. Goods come back for any reason."
    first, second = answer.index("[1]"), answer.rindex("[1]")
    citations = [Cited(first, first + 3, 0), Cited(second, second + 3, 0)]
    verdict = judged(answer, citations, [PASSAGE], None)
    assert (verdict.citations, verdict.supported) == (2, 1)
    assert (verdict.supportable, verdict.cited) == (2, 1)


@pytest.mark.parametrize(
    "answer",
    [
        "I found nothing about this in my documents, so I cannot answer it.",
        "The passages do not say how much a safe box costs.",
        "The colour is not mentioned in the documents.",
    ],
)
def test_declining_is_known_by_its_words(answer: str) -> None:
    assert declines(answer)
    assert not declines("You may send goods back within 45 days.")
