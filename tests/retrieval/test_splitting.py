"""Passages keep their exact place in the text and lose nothing of it."""

from hypothesis import given
from hypothesis import strategies as st

from retrieval.splitting import MAX_CHARACTERS, split, title_of

_LINES = st.lists(
    st.one_of(
        st.text(max_size=300),
        st.sampled_from(["# One", "## Two", "### Three ##", "```", "~~~~", "", "word " * 300, "#no heading"]),
    ),
    max_size=25,
).map("\n".join)


@given(text=_LINES, markdown=st.booleans())
def test_pieces_are_exact_ranges_in_order_and_within_the_limit(text: str, markdown: bool) -> None:
    pieces = split(text, markdown=markdown)

    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)
    assert all(0 < len(piece.text) <= MAX_CHARACTERS for piece in pieces)
    ends = [0, *(piece.end for piece in pieces)]
    assert all(end <= piece.start for end, piece in zip(ends, pieces, strict=False))


@given(text=_LINES)
def test_plain_text_loses_only_white_space(text: str) -> None:
    joined = "".join("".join(piece.text.split()) for piece in split(text, markdown=False))

    assert joined == "".join(text.split())


def test_headings_become_the_path_and_fenced_ones_do_not() -> None:
    body = "Words that fill a section. " * 10
    text = f"# Guide\n{body}\n## Setup ##\n{body}\n### Linux\n{body}\n```sh\n# a comment\n```\n## Use\n{body}"

    pieces = split(text, markdown=True)

    assert [piece.heading for piece in pieces] == ["", "Setup", "Setup > Linux", "Use"]
    assert "# a comment" in pieces[2].text


def test_short_neighbours_share_a_passage() -> None:
    pieces = split("# FAQ\n## One\nShort.\n## Two\nShort too.\n", markdown=True)

    assert [piece.text for piece in pieces] == ["Short.\n## Two\nShort too."]
    assert pieces[0].heading == "One"


def test_long_section_is_cut_between_sentences() -> None:
    text = "## Long\n" + "A sentence of some words stands here. " * 60

    pieces = split(text, markdown=True)

    assert len(pieces) > 2
    assert all(piece.text.endswith(".") for piece in pieces)
    assert all(len(piece.text) >= 400 for piece in pieces[:-1])


def test_document_of_headings_alone_is_still_found() -> None:
    assert [piece.text for piece in split("# Only\n## Headings", markdown=True)] == ["# Only\n## Headings"]


def test_title_is_the_first_heading_of_level_one() -> None:
    text = "```\n# comment\n```\n## Second\n# The Title #\n# Later"

    assert title_of(text, "file name", markdown=True) == "The Title"
    assert title_of("## Second", "file name", markdown=True) == "file name"
    assert title_of(text, "file name", markdown=False) == "file name"
