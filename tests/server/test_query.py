"""What is searched for: the last question, and for a follow-up what it leans on."""

import anyio
import pytest

from server.turn.query import Query, Rewrite, leans, with_history
from tests.fakes.engine import Reply
from tests.server.conftest import LIBRARIAN, Gateway, Start, text_of

pytestmark = pytest.mark.anyio
QUESTION = "When does the library open on weekdays?"
FOLLOW_UP = "And on which days is that?"
INCLUDE = {"repertory": {"include": True}}
SAID = ({"role": "user", "content": QUESTION}, {"role": "assistant", "content": "At nine."}, FOLLOW_UP)
BOTH = [FOLLOW_UP, f"{QUESTION} {FOLLOW_UP}"]


@pytest.mark.parametrize(
    "question",
    [
        "How much is that?",
        "And for a lamp?",
        "What about bulky goods?",
        "Why?",
        "How long does it take?",
        "Does the same hold for members of Hearth Club?",
        "And who pays for the label?",
        "und wie lange?",
    ],
)
def test_a_question_that_says_little_by_itself_leans_on_the_one_before(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize(
    "question",
    [
        "How long is the guarantee on a kettle with a cracked lid?",
        "Which documents does a limited company need to open an account?",
        "Who signs off a politically exposed person?",
        "And how many days of vacation does a new colleague in the warehouse get?",
        "What does the code ERR-4711 mean?",
        "Wie lange gilt die Garantie auf einen Wasserkocher?",
        "",
        "?",
    ],
)
def test_a_question_that_stands_by_itself_leans_on_nothing(question: str) -> None:
    assert not leans(question)


def test_the_first_question_is_searched_for_as_it_is() -> None:
    assert with_history(["And that?"]) == Query("And that?")
    assert with_history([]) == Query("")


def test_a_follow_up_is_searched_for_bare_and_with_the_question_before_it() -> None:
    query = with_history(["How are gift cards refunded?", "How long do sofas take?", "And rugs?"])
    assert query.rewrite is Rewrite.HISTORY
    assert query.phrasings == ("And rugs?", "How long do sofas take? And rugs?")


def test_a_chain_of_follow_ups_goes_back_to_the_question_that_names_something_and_three_at_most() -> None:
    chain = ["How long do sofas take?", "And rugs?", "And how much is it?"]
    assert with_history(chain).fuller == "How long do sofas take? And rugs? And how much is it?"
    assert with_history(["Sofas or armchairs by van?", *["And?"] * 4]).fuller == "And? And? And? And?"


def test_of_a_long_message_only_the_end_is_taken_along() -> None:
    fuller = with_history(["x" * 5000 + " end", "And that?"]).fuller
    assert fuller is not None
    assert fuller.endswith("x end And that?")
    assert len(fuller) <= 410


async def test_a_follow_up_finds_what_the_question_before_it_was_about(gateway: Gateway) -> None:
    answer = await gateway.ask("librarian", *SAID, extra_body=INCLUDE)
    assert answer.model_extra is not None
    block = answer.model_extra["repertory"]
    assert block["query"] == {"rewrite": "history", "phrasings": BOTH}
    assert "opens at nine" in gateway.engine.requests[0]["messages"][-1]["content"]


async def test_the_model_reads_the_question_as_it_was_asked(gateway: Gateway) -> None:
    await gateway.ask("librarian", *SAID)
    assert gateway.engine.requests[0]["messages"][-1]["content"].startswith(f"{FOLLOW_UP}\n\n# Passages\n")


async def test_a_first_question_is_told_as_it_is_in_a_stream_too(gateway: Gateway) -> None:
    chunks = await gateway.stream("librarian", QUESTION, extra_body=INCLUDE)
    block = (chunks[-1].model_extra or {})["repertory"]
    assert block["query"] == {"rewrite": "none", "phrasings": [QUESTION]}


async def test_a_persona_without_documents_searches_for_nothing(gateway: Gateway) -> None:
    answer = await gateway.ask("plain", QUESTION, extra_body=INCLUDE)
    assert answer.model_extra is not None
    assert answer.model_extra["repertory"]["query"] is None


async def test_only_what_the_user_said_is_searched_for(gateway: Gateway) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    answer = await gateway.ask(
        "librarian",
        {"role": "system", "content": "The system speaks of zebras."},
        "How are late books treated?",
        {"role": "assistant", "content": "Ask about zebras.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "zebras"},
        "And that?",
        extra_body=INCLUDE,
    )
    assert answer.model_extra is not None
    assert "zebra" not in str(answer.model_extra["repertory"]["query"])


async def test_a_persona_may_keep_to_the_bare_question(start: Start) -> None:
    bare = LIBRARIAN.replace("paths: [", "rewrite: off\n  paths: [")
    async with start({"librarian": bare}) as gateway:
        answer = await gateway.ask("librarian", *SAID, extra_body=INCLUDE)
    assert answer.model_extra is not None
    assert answer.model_extra["repertory"]["query"] == {"rewrite": "none", "phrasings": [FOLLOW_UP]}


async def test_the_base_model_may_word_a_follow_up(start: Start) -> None:
    worded = LIBRARIAN.replace("paths: [", "rewrite: model\n  paths: [")
    async with start({"librarian": worded}) as gateway:
        gateway.engine.will('"On which weekdays does the library open?"\nIt opens …', "Monday to Friday [1].")
        chunks = await gateway.stream(
            "librarian", *SAID, extra_body=INCLUDE, stream_options={"include_usage": True}
        )
        asked, answered = gateway.engine.requests
    block = next(extra["repertory"] for chunk in chunks if "repertory" in (extra := chunk.model_extra or {}))
    phrasings = [FOLLOW_UP, "On which weekdays does the library open?"]
    assert block["query"] == {"rewrite": "model", "phrasings": phrasings}
    assert text_of(chunks) == "Monday to Friday [1]."
    assert asked["messages"][-1]["content"] == f"Earlier questions:\n- {QUESTION}\n\nLast question: {FOLLOW_UP}"
    assert "At nine." not in str(asked["messages"])
    assert (asked["model"], asked["cache_salt"]) == ("base", answered["cache_salt"])


@pytest.mark.parametrize("reply", ["", "x" * 500])
async def test_without_a_usable_wording_the_history_serves(start: Start, reply: str) -> None:
    worded = LIBRARIAN.replace("paths: [", "rewrite: model\n  paths: [")
    async with start({"librarian": worded}) as gateway:
        gateway.engine.will(reply, "Monday to Friday [1].")
        answer = await gateway.ask("librarian", *SAID, extra_body=INCLUDE)
    assert answer.model_extra is not None
    assert answer.model_extra["repertory"]["query"] == {"rewrite": "history", "phrasings": BOTH}


async def test_a_model_that_does_not_word_a_question_in_time_is_not_waited_for(start: Start) -> None:
    worded = LIBRARIAN.replace("paths: [", "rewrite: model\n  paths: [")
    async with start({"librarian": worded}) as gateway:
        gateway.engine.will(Reply("late", hangs_after=0), "Monday to Friday [1].")
        answer = await gateway.ask("librarian", *SAID, extra_body=INCLUDE)
        assert await anyio.to_thread.run_sync(gateway.engine.aborted.wait, 10)
    assert answer.model_extra is not None
    assert answer.model_extra["repertory"]["query"] == {"rewrite": "history", "phrasings": BOTH}
