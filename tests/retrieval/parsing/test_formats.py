"""Each format becomes text that can be read, with its headings, its tables and its pages.

What a parser makes of its format is asked in this process; that its worker says the same is a test of its own.
"""

import datetime
import json
from email.message import EmailMessage

import pytest

from retrieval.parsing import FileRefusedError, Limits, ParsedDocument, Parser
from retrieval.parsing.document import normalised
from retrieval.parsing.formats import format_of
from retrieval.parsing.markdown import escaped, rows
from retrieval.parsing.worker import parser_of
from tests.fakes.office import slides, word, workbook
from tests.fakes.pdf import pdf

COUNTRIES = [("Country", "Days"), ("Estonia", "21"), ("Latvia", "14")]


def parsed(content: bytes, name: str) -> ParsedDocument:
    kind = format_of(name)
    assert kind is not None
    return parser_of(kind)(content, Limits())


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (pdf(["Returns\nBöots."], outline={"Returns": 1}), "a.pdf"),
        (word([("Title", "Handbook")], COUNTRIES), "a.docx"),
        (slides([("Returns", "Boots."), ("Draft", "No.")], hidden=[2]), "a.pptx"),
        (workbook({"Days": COUNTRIES}), "a.xlsx"),
        ("<h1>Größe</h1>".encode(), "a.html"),
        (b"Country\tDays\nEstonia\t21", "a.tsv"),
        (b'{"a": "\\ud83d\\ude00"}', "a.json"),
        (b"Subject: Boots\n\nWords.", "a.eml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_worker_says_what_its_parser_says(content: bytes, name: str) -> None:
    assert Parser().parse(content, name) == parsed(content, name)


def test_a_pdf_has_the_text_of_each_page_under_the_titles_of_its_outline() -> None:
    content = pdf(
        [
            "Returns\nBoots may be sent back.",
            "They must be unworn.",
            "Our handbook 3\nGifts\nCards are refunded as cards.",
        ],
        outline={"Returns": 1, "Gifts": 3},
    )

    document = parsed(content, "handbook.pdf")

    assert document.text.split("\n\n") == [
        "Returns\nBoots may be sent back.",
        "They must be unworn.",
        "Our handbook 3\nGifts\nCards are refunded as cards.",
    ]
    assert [(page.number, page.heading) for page in document.pages] == [
        (1, "Returns"),
        (2, "Returns"),
        (3, "Gifts"),
    ]
    assert document.text[document.pages[1].start : document.pages[1].end] == "They must be unworn."
    assert (document.markdown, document.warning) == (False, "")


def test_a_title_that_begins_in_the_middle_of_a_page_is_not_put_over_all_of_it() -> None:
    content = pdf(
        ["Returns\nBoots.", f"{'The rest of it. ' * 9}\nGifts\nCards."], outline={"Returns": 1, "Gifts": 2}
    )

    assert [page.heading for page in parsed(content, "handbook.pdf").pages] == ["Returns", ""]


def test_pages_of_pictures_with_hardly_any_text_wait_for_recognition() -> None:
    content = pdf(["Words enough to be read as text.", "3", "", ""], pictured=[1, 2, 3], outline={"Gifts": 3})

    document = parsed(content, "handbook.pdf")

    assert document.scanned == (2, 3)
    assert document.text == "Words enough to be read as text.\n\n3"
    assert [(page.number, page.heading) for page in document.pages][1:] == [(2, ""), (3, "Gifts")]
    assert document.pages[2].start == document.pages[2].end


def test_a_damaged_page_is_left_out_and_named() -> None:
    content = pdf(["Words enough to be read as text."]).replace(b"/Count 1 ", b"/Count 3 ")

    document = parsed(content, "handbook.pdf")

    assert document.text == "Words enough to be read as text."
    assert document.warning == "Damaged and left out: pages 2–3."


def test_a_word_document_keeps_headings_lists_and_rows_with_their_column_names() -> None:
    content = word(
        [
            ("Title", "Handbook"),
            ("Heading 1", "Returns"),
            ("Normal", "# Not a heading, though it looks like one"),
            ("List Bullet", "Boots"),
            ("Heading 2", "Countries"),
        ],
        COUNTRIES,
    )

    document = parsed(content, "handbook.docx")

    assert document.markdown
    assert document.text.split("\n\n") == [
        "# Handbook",
        "## Returns",
        "\\# Not a heading, though it looks like one",
        "- Boots",
        "### Countries",
        "Country | Days\nCountry: Estonia | Days: 21\nCountry: Latvia | Days: 14",
    ]


def test_a_presentation_has_a_page_a_slide_and_hidden_ones_are_left_out() -> None:
    content = slides(
        [("Returns", "Boots may be sent back."), ("Draft", "Not for you."), ("Gifts", "Cards.")],
        notes="Say it slowly.",
        hidden=[2],
    )

    document = parsed(content, "deck.pptx")

    assert document.text == "## Returns\nBoots may be sent back.\nNotes: Say it slowly.\n\n## Gifts\nCards."
    assert [page.number for page in document.pages] == [1, 3]
    assert document.warning == "1 hidden slide was left out."


def test_a_workbook_has_a_page_a_sheet_and_hidden_ones_are_left_out() -> None:
    content = workbook(
        {
            "Prices": [("Item", "Price", "Since"), ("Boots", 89.9, datetime.datetime(2024, 5, 1))],
            "Margins": [("Item", "Margin"), ("Boots", 0.4)],
            "Days": COUNTRIES,
        },
        hidden=["Margins"],
    )

    document = parsed(content, "prices.xlsx")

    first, last = (document.text[page.start : page.end] for page in document.pages)
    assert first == "## Prices\nItem | Price | Since\nItem: Boots | Price: 89.9 | Since: 2024-05-01"
    assert last == "## Days\nCountry | Days\nCountry: Estonia | Days: 21\nCountry: Latvia | Days: 14"
    assert [page.number for page in document.pages] == [1, 3]
    assert document.warning == "Hidden sheets were left out: Margins."


def test_a_web_page_keeps_headings_and_tables_and_no_script() -> None:
    content = """<html><head><title>Shop</title><script>let a = 1</script></head><body>
    <h2>Returns</h2><p>Boots <b>may</b>
    be sent<br>back.</p><ul><li>Unworn</li><li>In their <a href="/box">box</a></li></ul>
    <table><tr><th>Country</th><th>Days</th></tr><tr><td>Estonia</td><td>21</td></tr></table>
    <pre># a comment
    code</pre></body></html>"""

    document = parsed(content.encode(), "shop.html")

    assert document.text.split("\n\n") == [
        "# Shop",
        "## Returns",
        "Boots may be sent\nback.",
        "- Unworn",
        "- In their box",
        "Country | Days\nCountry: Estonia | Days: 21",
        "\\# a comment\n    code",
    ]


def test_a_web_page_in_another_encoding_is_read_as_it_says() -> None:
    content = '<meta charset="iso-8859-1"><p>Größe</p>'.encode("latin-1")

    assert parsed(content, "size.htm").text == "Größe"


def test_a_csv_file_is_read_row_by_row_whatever_separates_its_cells() -> None:
    document = parsed('\ufeffCountry;Days\r\n"Est;onia";21\r\nLatvia;14\r\n'.encode(), "days.csv")

    assert document.text == "Country | Days\nCountry: Est;onia | Days: 21\nCountry: Latvia | Days: 14"


def test_json_is_read_with_the_place_of_each_value_and_numbers_as_they_stand() -> None:
    orders = [{"id": 7, "paid": True, "note": None, "lines": [{"item": "Boots"}], "tags": ["sale", "new"]}]
    content = json.dumps({"shop": "Tallinn", "orders": orders}).replace("7", "7.10e400")

    assert parsed(content.encode(), "orders.json").text.splitlines() == [
        "shop: Tallinn",
        "orders[0] | id: 7.10e400 | paid: true | note: null",
        "orders[0].lines[0] | item: Boots",
        "orders[0].tags: sale, new",
    ]


def test_a_message_is_read_with_its_head_and_its_attachments_are_named() -> None:
    message = EmailMessage()
    message["From"] = "Märt <mart@example.com>"
    message["Subject"] = "Boots in the wrong size"
    message["Date"] = "Mon, 01 Jan 2024 10:00:00 +0000"
    message.set_content("Please send them back.\n# 2 pairs")
    message.add_alternative("<p>not this part</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="slip.pdf")

    document = parsed(bytes(message), "boots.eml")

    assert document.text.split("\n\n") == [
        "# Boots in the wrong size",
        "From: Märt <mart@example.com>\nDate: Mon, 01 Jan 2024 10:00:00 +0000",
        "Please send them back.\n\\# 2 pairs",
        "Attachments (not read): slip.pdf",
    ]
    assert document.warning == "1 attachment was not read."


def test_a_message_of_html_alone_is_read_as_a_web_page() -> None:
    content = (
        b"Subject: Boots\nContent-Type: text/html; charset=utf-8\n\n<h3>Size</h3><p>They are too <b>large</b>."
    )

    assert parsed(content, "boots.eml").text == "# Boots\n\n### Size\n\nThey are too large."


def test_source_code_stays_as_it_is() -> None:
    document = Parser().parse(b"def f():\r\n    return 1  # one\r\n", "src/one.py")

    assert (document.text, document.markdown) == ("def f():\n    return 1  # one\n", False)


def test_other_files_are_refused_with_the_list_of_what_is_read() -> None:
    with pytest.raises(FileRefusedError, match=r"Only Markdown, text, PDF, .* are read") as refusal:
        Parser().parse(b"GIF89a", "cat.gif")

    assert not refusal.value.keeps_last_good


def test_rows_without_names_stay_rows() -> None:
    assert list(rows([["7", "8"], ["", " "], ["9", "10", "x"]])) == ["7 | 8", "9 | 10 | x"]
    assert list(rows([["Alone"], ["a"]])) == ["Alone", "a"]


def test_a_caption_above_a_table_is_not_its_header() -> None:
    assert list(rows([["Prices of 2024", ""], ["Item", "Price"], ["Boots", "9"], ["Sum"]])) == [
        "Prices of 2024",
        "Item | Price",
        "Item: Boots | Price: 9",
        "Item: Sum",
    ]


def test_no_line_of_a_foreign_text_becomes_a_heading_or_a_fence() -> None:
    assert escaped("# a\n  ## b\n```sh\n~~~\n#hash tag\n    # indented") == (
        "\\# a\n  \\## b\n\\```sh\n\\~~~\n#hash tag\n    # indented"
    )


def test_text_is_normalised() -> None:
    assert normalised("a\r\nb\rc\0d\ud800") == "a\nb\ncd?"
