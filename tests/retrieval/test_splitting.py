"""Passages keep their exact place in the text and lose nothing of it."""

from hypothesis import given
from hypothesis import strategies as st

from retrieval.parsing import Page
from retrieval.splitting import MAX_CHARACTERS, split, title_of

_LINES = st.lists(
    st.one_of(
        st.text(max_size=300),
        st.sampled_from(["# One", "## Two", "### Three ##", "```", "~~~~", "", "word " * 300, "#no heading"]),
    ),
    max_size=25,
).map("\n".join)

_LANGUAGES = ["c", "cpp", "csharp", "go", "java", "js", "php", "python", "ruby", "rust", "ts"]
_WORDS_OF_CODE = ["\nclass ", "\ndef ", "\n\tdef ", "\nfunc ", "\nif ", "\n\n", "x" * 300, " = 1", "\n", " ", "}"]


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


@given(pages=st.lists(_LINES.filter(str.strip), min_size=1, max_size=4), markdown=st.booleans())
def test_no_piece_crosses_a_page_and_each_page_has_one(pages: list[str], markdown: bool) -> None:
    text = "\n\n".join(pages)
    starts = [sum(len(page) + 2 for page in pages[:number]) for number in range(len(pages))]
    spans = [
        Page(start, start + len(page), n) for n, (start, page) in enumerate(zip(starts, pages, strict=True), 1)
    ]

    pieces = split(text, markdown=markdown, pages=spans)

    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)
    assert {piece.page for piece in pieces} == set(range(1, len(pages) + 1))
    for piece in pieces:
        span = spans[(piece.page or 0) - 1]
        assert span.start <= piece.start < piece.end <= span.end


@given(text=_LINES | st.lists(st.sampled_from(_WORDS_OF_CODE)).map("".join), language=st.sampled_from(_LANGUAGES))
def test_source_code_loses_only_white_space(text: str, language: str) -> None:
    pieces = split(text, markdown=False, language=language)

    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)
    assert all(0 < len(piece.text) <= MAX_CHARACTERS for piece in pieces)
    assert "".join("".join(piece.text.split()) for piece in pieces) == "".join(text.split())


def test_source_code_is_cut_where_a_definition_begins() -> None:
    body = "    value = value + 1\n" * 25
    text = "".join(f"def function_{number}(value):\n{body}\n" for number in range(4))

    pieces = split(text, markdown=False, language="python")

    assert [piece.text.splitlines()[0] for piece in pieces] == [f"def function_{n}(value):" for n in range(4)]


def test_a_page_of_headings_alone_keeps_its_words() -> None:
    text = "## Refunds within 14 days\n\n## Gifts\nCards."

    pieces = split(text, markdown=True, pages=[Page(0, 25, 1), Page(27, len(text), 2)])

    assert [(piece.text, piece.heading, piece.page) for piece in pieces] == [
        ("## Refunds within 14 days", "", 1),
        ("Cards.", "Gifts", 2),
    ]


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
