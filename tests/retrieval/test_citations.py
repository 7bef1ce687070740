"""Sentences are given to the passage that supports them, or to none."""

from retrieval import Embedder, Passage, attribute
from tests.fakes.embedder import WordEmbedder

_TEXTS = (
    "Boots bought in a sale may be sent back within 21 days, unworn and in their box.",
    "The refund reaches the card after four working days, or after nine when the bank sits abroad.",
)


def _passages() -> list[Passage]:
    return [
        Passage(str(n), "support", "doc", "returns.md", "Returns", "", text, 0, len(text), 0.5, 1.0)
        for n, text in enumerate(_TEXTS)
    ]


def _cited(answer: str, embedder: Embedder | WordEmbedder) -> list[tuple[int, str]]:
    found = attribute(answer, _passages(), embedder.embed)
    return [(citation.index, answer[citation.start : citation.end]) for citation in found]


def test_each_supported_sentence_is_cited_with_its_exact_range(real_embedder: Embedder) -> None:
    answer = (
        "You can send boots from the sale back within 21 days if they are unworn and in their box. "
        "The refund arrives on your card after four working days!\n\n"
        "Penguins are birds that live in the south."
    )

    assert _cited(answer, real_embedder) == [
        (0, "You can send boots from the sale back within 21 days if they are unworn and in their box."),
        (1, "The refund arrives on your card after four working days!"),
    ]


def test_sentence_with_a_number_that_no_passage_holds_is_not_cited(real_embedder: Embedder) -> None:
    assert _cited("Boots bought in a sale may be sent back within 90 days, unworn.", real_embedder) == []


def test_code_questions_and_scraps_are_not_cited() -> None:
    answer = (
        "```\nBoots bought in a sale may be sent back within 21 days.\n```\n"
        "May boots bought in a sale be sent back within 21 days? Unworn, boxed."
    )

    assert _cited(answer, WordEmbedder()) == []


def test_list_items_are_cited_without_their_marks() -> None:
    answer = "- Boots bought in a sale may be sent back within 21 days\n- other things are different matters"

    assert _cited(answer, WordEmbedder()) == [(0, "Boots bought in a sale may be sent back within 21 days")]


def test_nothing_is_cited_without_passages_or_without_an_answer() -> None:
    embedder = WordEmbedder()

    assert attribute("Boots may be sent back within 21 days.", [], embedder.embed) == []
    assert _cited("", embedder) == []
