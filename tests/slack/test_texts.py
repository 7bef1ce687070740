"""Markdown in Slack, and long answers in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.slack.mrkdwn import harmless, mrkdwn, said
from integrations.slack.splitting import parts

BOT = "U0BOT00001"


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**bold** and *italic* and ~~gone~~", "*bold* and _italic_ and ~gone~"),
        ("# A **big** title", "*A big title*"),
        ("- one\n- two\n  * three", "• one\n• two\n  • three"),
        ("[the page](https://example.com/a?b=1&c=2)", "<https://example.com/a?b=1&amp;c=2|the page>"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        ("> quoted", "> quoted"),
        ("`a < b` stays", "`a &lt; b` stays"),
        ("```python\nx = a ** b ** c\n```", "```\nx = a ** b ** c\n```"),
        ("<!channel> and <@U0MIRA0001>", "&lt;!channel&gt; and &lt;@U0MIRA0001&gt;"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("snake_case_name", "snake_case_name"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n"),
    ],
)
def test_markdown_becomes_what_slack_shows(markdown: str, shown: str) -> None:
    assert mrkdwn(markdown) == shown


def test_a_streamed_answer_mentions_nobody() -> None:
    assert "<!" not in harmless("<!channel> <@U0MIRA0001> <#C0GENERAL1>")
    assert "<@" not in harmless("<!channel> <@U0MIRA0001>")


def test_what_a_person_wrote_is_read_without_slacks_marks() -> None:
    text = f"<@{BOT}> what does <@U0OLE00001|ole> say of <https://example.com|this> &amp; &lt;that&gt;?"
    assert said(text, BOT) == "what does @ole say of this (https://example.com) & <that>?"


def test_a_long_answer_is_cut_between_paragraphs_and_code_stays_code() -> None:
    text = "A paragraph.\n\n" * 5 + "```\n" + "line of code\n" * 20 + "```\n\nThe end."
    found = parts(text, 120)
    assert all(len(one) <= 120 for one in found)
    assert all(one.count("```") % 2 == 0 for one in found)
    assert found[0].endswith("A paragraph.")
    assert found[-1].endswith("The end.")


@given(st.text(alphabet="ab .\n", max_size=400), st.integers(20, 80))
def test_no_word_is_lost_where_an_answer_is_cut(text: str, room: int) -> None:
    found = parts(text, room)
    assert all(len(one) <= room for one in found)
    assert "".join("".join(found).split()) == "".join(text.split())
