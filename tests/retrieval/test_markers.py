"""Markers in a stream: checked, counted exactly, and the same however the stream is cut."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval import MarkerFilter

_TOKENS = "[1]|[2]|[9]|[1, 2]|[1,9]|[0]|[|]|(|)| |  |\n|`|``|```|~~~|\n```\n|a|days|x_1|.|,|1|\t|[1](u)|[a]|é🙂"
_PIECES = st.lists(
    st.one_of(
        st.sampled_from(_TOKENS.split("|")),
        st.text(alphabet="[]()0129, `~\nab.", max_size=6),
    ),
    max_size=25,
)


def _filtered(text: str, cuts: list[str] | None = None) -> tuple[str, list[tuple[int, str]]]:
    markers = MarkerFilter(2)
    out = "".join(markers.feed(piece) for piece in cuts or [text]) + markers.finish()
    return out, [(citation.index, out[citation.start : citation.end]) for citation in markers.citations]


@pytest.mark.parametrize(
    ("text", "out", "citations"),
    [
        ("21 days [1].", "21 days [1].", [(0, "[1]")]),
        ("21 days[2].", "21 days[2].", [(1, "[2]")]),
        ("Both [1][2] say so", "Both [1][2] say so", [(0, "[1]"), (1, "[2]")]),
        ("Both [1, 2] say so", "Both [1, 2] say so", [(0, "[1, 2]"), (1, "[1, 2]")]),
        ("None [7] says so.", "None says so.", []),
        ("None [7].", "None.", []),
        ("None [0], [3]!", "None,!", []),
        ("[7] None", "None", []),
        ("One [1, 7] does", "One [1] does", [(0, "[1]")]),
        ("One [7][1] does", "One [1] does", [(0, "[1]")]),
        ("One [1][7] does", "One [1] does", [(0, "[1]")]),
        ("None [7]says", "None says", []),
        ("Ends with [7]", "Ends with", []),
        ("Ends with [1", "Ends with [1", []),
        ("line [7]\nnext", "line\nnext", []),
    ],
)
def test_valid_markers_stay_and_invalid_ones_go(text: str, out: str, citations: list[tuple[int, str]]) -> None:
    assert _filtered(text) == (out, citations)


@pytest.mark.parametrize(
    "text",
    [
        "a[0] and row_2[1] and x[1][2]",
        "words[7] stay as they are",
        "[1](https://example.org) is a link",
        "[text][1] is a link too",
        "`rows [7]` is code",
        "``a ` [7]`` is code",
        "```python\nprint(x, [7])\n```\nafter",
        "~~~~\n [7]\n~~~\n [7]\n~~~~",
        "[^1] and [x] and [12345] and []",
        "  spaces   stay  ",
    ],
)
def test_what_is_no_marker_is_left_alone(text: str) -> None:
    assert _filtered(text) == (text, [])


def test_prose_after_code_is_checked_again() -> None:
    assert _filtered("```\n[7]\n```\nsee [7] and [1]") == ("```\n[7]\n```\nsee and [1]", [(0, "[1]")])


def test_text_is_held_back_only_while_it_could_be_a_marker() -> None:
    markers = MarkerFilter(2)

    assert markers.feed("Boots [") == "Boots"
    assert markers.feed("1") == ""
    assert markers.feed("] ") == " [1]"
    assert markers.feed("[x") == " [x"
    assert markers.finish() == ""


@given(pieces=_PIECES)
def test_the_cut_of_the_stream_makes_no_difference(pieces: list[str]) -> None:
    text = "".join(pieces)

    assert _filtered(text, pieces) == _filtered(text, list(text)) == _filtered(text)


@given(pieces=_PIECES)
def test_every_citation_points_at_a_marker_in_the_text_that_was_sent(pieces: list[str]) -> None:
    out, citations = _filtered("".join(pieces))

    for index, marker in citations:
        assert marker[0] == "["
        assert marker[-1] == "]"
        assert str(index + 1) in marker
    assert len(out) <= len("".join(pieces))


@settings(max_examples=500)
@given(pieces=_PIECES)
@example(pieces=["[[9]7]"])
@example(pieces=["[ [9]7]"])
def test_filtered_text_holds_no_further_marker_to_take_out(pieces: list[str]) -> None:
    """Taking a marker out of another bracket must not make a new one of what is left.

    Code is left out: a fence that a marker kept from the start of its line opens on the second reading.
    """
    out, citations = _filtered("".join(pieces).replace("`", "").replace("~", ""))

    assert _filtered(out) == (out, citations)


@given(text=st.text(alphabet=st.characters(exclude_characters="["), max_size=200))
def test_text_without_brackets_passes_unchanged(text: str) -> None:
    assert _filtered(text) == (text, [])
