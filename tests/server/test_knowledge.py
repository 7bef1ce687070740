"""Passages in prompts, citations in answers, and what happens when there are none."""

import httpx
import openai
import pytest

from retrieval import Passage
from server.turn.prompt import with_passages
from tests.fakes.engine import Reply
from tests.fakes.pdf import pdf
from tests.server.conftest import LIBRARIAN, Gateway, Start, text_of

pytestmark = pytest.mark.anyio
QUESTION = "When does the library open on weekdays?"
INCLUDE = {"repertory": {"include": True}}


def test_passages_have_the_format_that_training_data_has() -> None:
    first = Passage("1", "s", "d", "p", "Hours", "Weekdays", "Nine.", 0, 5, 0.9, 1.0)
    second = Passage("2", "s", "d", "p", "Hours", "Fines", "Twenty.", 0, 5, 0.9, 1.0)
    assert with_passages("When?", [first, second]) == (
        "When?\n\n# Passages\n[1] Hours > Weekdays\nNine.\n\n[2] Hours > Fines\nTwenty.\n\n"
        "Use the passages where they help and mark what you take from them with [n]."
    )
    assert with_passages("When?", []) == "When?\n\n# Passages\nNothing was found."


async def test_markers_become_citations_that_resolve_to_the_very_passage(gateway: Gateway) -> None:
    gateway.engine.will("It opens at nine [1]. Bring a hat [7].")
    answer = await gateway.ask("librarian", QUESTION, extra_body=INCLUDE)
    message = answer.choices[0].message
    assert message.content == "It opens at nine [1]. Bring a hat."
    assert message.annotations is not None
    (annotation,) = message.annotations
    cited = annotation.url_citation
    assert message.content[cited.start_index : cited.end_index]
    url = httpx.URL(cited.url)
    async with gateway.http() as http:
        document = (await http.get(url.path)).text
    start, end = (int(number) for number in url.fragment.removeprefix("chars=").split("-"))
    assert "opens at nine" in document[start:end]
    assert answer.model_extra is not None
    sources = answer.model_extra["repertory"]["sources"]
    assert sources[0]["cited"] is True
    assert document[start:end] in gateway.engine.requests[0]["messages"][-1]["content"]


async def test_a_pdf_is_found_and_cited_with_its_page(gateway: Gateway) -> None:
    pages = [
        "Boots may be sent back.",
        "They must be unworn.",
        "Gift cards\nGift cards are refunded as gift cards.",
    ]
    folder = gateway.personas_dir.parent / "knowledge" / "library"
    (folder / "Handbook.pdf").write_bytes(pdf(pages, outline={"Returns": 1, "Gift cards": 3}))
    await gateway.services.sync.run()
    gateway.engine.will("They are refunded as gift cards [1].")

    answer = await gateway.ask("librarian", "How are gift cards refunded?")

    (annotation,) = answer.choices[0].message.annotations or []
    cited = annotation.url_citation
    assert cited.title == "Handbook > Gift cards, page 3"
    assert "[1] Handbook > Gift cards, page 3\n" in gateway.engine.requests[0]["messages"][-1]["content"]
    url = httpx.URL(cited.url)
    async with gateway.http() as http:
        document = (await http.get(url.path)).text
    start, end = (int(number) for number in url.fragment.removeprefix("chars=").split("-"))
    assert document[start:end] == pages[2]


async def test_a_streamed_answer_carries_the_same_text_and_citations(gateway: Gateway) -> None:
    text = "It opens at nine [1]. Bring a hat [7]."
    gateway.engine.will(text, text)
    answer = await gateway.ask("librarian", QUESTION)
    chunks = await gateway.stream("librarian", QUESTION)
    streamed = [c.choices[0].delta.model_extra or {} for c in chunks]
    found = [one for extra in streamed for one in extra.get("annotations", [])]
    assert text_of(chunks) == answer.choices[0].message.content
    assert answer.choices[0].message.annotations is not None
    assert found == [one.model_dump() for one in answer.choices[0].message.annotations]
    assert "annotations" in streamed[-2]
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_an_answer_without_markers_is_attributed_by_the_server(gateway: Gateway) -> None:
    gateway.engine.will(
        "The library opens at nine and closes at eighteen on weekdays. I like tea very much indeed."
    )
    answer = await gateway.ask("librarian", QUESTION)
    message = answer.choices[0].message
    assert message.annotations is not None
    assert message.content is not None
    (annotation,) = message.annotations
    span = annotation.url_citation
    assert message.content[span.start_index : span.end_index].startswith("The library opens at nine")


async def test_prompts_of_personas_with_knowledge_carry_a_cache_salt_and_others_none(
    gateway: Gateway,
) -> None:
    await gateway.ask("librarian", QUESTION)
    await gateway.ask("plain", QUESTION)
    salted, plain = gateway.engine.requests
    assert salted["cache_salt"]
    assert "cache_salt" not in plain


async def test_json_answers_keep_their_brackets(gateway: Gateway) -> None:
    gateway.engine.will('{"pages": [9]}')
    answer = await gateway.ask("librarian", QUESTION, response_format={"type": "json_object"})
    assert answer.choices[0].message.content == '{"pages": [9]}'
    assert answer.choices[0].message.annotations is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("down", [True, False])
async def test_a_marker_is_taken_out_where_no_passage_was_given(
    gateway: Gateway, stream: bool, down: bool
) -> None:
    gateway.embedder.broken = down
    gateway.engine.will("It opens at nine [1], they say [2, 3]. In code it is `hours[1]`.")
    question = "Zebra xylophone quantum?"
    if stream:
        chunks = await gateway.stream("librarian", question)
        assert not any((one.choices[0].delta.model_extra or {}).get("annotations") for one in chunks)
        text = text_of(chunks)
    else:
        message = (await gateway.ask("librarian", question)).choices[0].message
        assert message.annotations is None
        text = message.content or ""
    assert text.endswith("It opens at nine, they say. In code it is `hours[1]`.")


async def test_a_persona_without_documents_keeps_its_brackets(gateway: Gateway) -> None:
    gateway.engine.will("See the list [1].")
    assert (await gateway.ask("plain", QUESTION)).choices[0].message.content == "See the list [1]."


@pytest.mark.parametrize("stream", [True, False])
async def test_a_persona_whose_answers_carry_no_citations_shows_no_markers(start: Start, stream: bool) -> None:
    silent = LIBRARIAN.replace("{floor", "{citations: false, floor")
    async with start({"librarian": silent}) as gateway:
        gateway.engine.will("The library opens at nine and closes at eighteen on weekdays [1].")
        if stream:
            chunks = await gateway.stream("librarian", QUESTION)
            text, extra = text_of(chunks), [one.choices[0].delta.model_extra or {} for one in chunks]
            assert not any("annotations" in one for one in extra)
        else:
            message = (await gateway.ask("librarian", QUESTION)).choices[0].message
            text = message.content or ""
            assert message.annotations is None
        assert "# Passages\n[1]" in gateway.engine.requests[0]["messages"][-1]["content"]
    assert text == "The library opens at nine and closes at eighteen on weekdays."


async def test_nothing_found_is_said_to_the_model(gateway: Gateway) -> None:
    await gateway.ask("librarian", "Zebra xylophone quantum?")
    assert gateway.engine.requests[0]["messages"][-1]["content"].endswith("# Passages\nNothing was found.")


async def test_a_persona_may_decline_when_nothing_is_found(start: Start) -> None:
    strict = LIBRARIAN.replace("{floor", "{when_nothing_found: decline, floor")
    async with start({"librarian": strict}) as gateway:
        answer = await gateway.ask("librarian", "Zebra xylophone quantum?")
        chunks = await gateway.stream("librarian", "Zebra xylophone quantum?")
        assert "found nothing" in (answer.choices[0].message.content or "")
        assert text_of(chunks) == answer.choices[0].message.content
        assert gateway.engine.requests == []


@pytest.mark.parametrize("stream", [True, False])
async def test_when_retrieval_is_down_the_answer_says_so(gateway: Gateway, stream: bool) -> None:
    gateway.embedder.broken = True
    gateway.engine.will("I guess nine.")
    if stream:
        text = text_of(await gateway.stream("librarian", QUESTION))
    else:
        text = (await gateway.ask("librarian", QUESTION)).choices[0].message.content or ""
    assert text.startswith("Note: my documents cannot be searched")
    assert text.endswith("I guess nine.")


async def test_when_retrieval_is_down_a_persona_may_refuse(start: Start) -> None:
    strict = LIBRARIAN.replace("{floor", "{when_unavailable: refuse, floor")
    async with start({"librarian": strict}) as gateway:
        gateway.embedder.broken = True
        with pytest.raises(openai.InternalServerError) as caught:
            await gateway.ask("librarian", QUESTION)
        assert (caught.value.status_code, caught.value.code) == (503, "knowledge_unavailable")


async def test_a_document_is_404_to_those_who_may_use_no_persona_that_knows_it(start: Start) -> None:
    closed = LIBRARIAN + "access: {keys: [reader]}\n"
    async with start({"librarian": closed}) as gateway:
        found = gateway.services.knowledge.search(["knowledge/library"], QUESTION, floor=-1.0)
        url = f"/v1/files/{found.passages[0].document_id}/content"
        async with gateway.http() as http, gateway.admin() as admin:
            hidden, missing = await http.get(url), await http.get("/v1/files/doc-none/content")
            shown = await admin.get(url)
    assert (hidden.status_code, missing.status_code, shown.status_code) == (404, 404, 200)
    assert hidden.json()["error"]["code"] == missing.json()["error"]["code"] == "file_not_found"


async def test_stores_and_searches_are_shown_to_key_holders(gateway: Gateway) -> None:
    async with gateway.admin() as admin:
        stores = (await admin.get("/api/knowledge/stores")).json()["data"]
        body = {"query": QUESTION, "persona": "librarian"}
        hits = (await admin.post("/api/knowledge/search", json=body)).json()["data"]
        unknown = await admin.post("/api/knowledge/search", json={"query": "x", "stores": ["../etc"]})
    assert [(one["store"], one["documents"], one["state"]) for one in stores] == [
        ("knowledge/library", 1, "ready")
    ]
    assert "opens at nine" in hits[0]["text"]
    assert unknown.status_code == 404


async def test_an_answer_that_is_cut_short_still_ends_in_order(gateway: Gateway) -> None:
    gateway.engine.will(Reply("It opens at nine [1", finish="length"))
    chunks = await gateway.stream("librarian", QUESTION)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert text_of(chunks).startswith("It opens at nine")
