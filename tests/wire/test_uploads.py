"""Files and vector stores through the official client, as strict as it gets."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types import VectorStore
from openai.types.vector_stores import VectorStoreFile

from core.principal import Scope
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
FEES = "# Fees\n\nA lost card costs seven crowns. The desk on the second floor makes a new one within a day.\n"
HEATING = "The heating goes on in October. Whoever is cold asks the caretaker for a blanket.\n"


class People:
    """Two holders of keys and their clients."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.ada = gateway.openai(gateway.secret("ada", Scope.KNOWLEDGE, Scope.CHAT))
        self.bob = gateway.openai(gateway.secret("bob", Scope.KNOWLEDGE, Scope.CHAT))

    async def file(self, name: str = "fees.md", text: str | bytes = FEES, **fields: Any) -> str:
        content = text.encode() if isinstance(text, str) else text
        made = await self.ada.files.create(file=(name, content), purpose="assistants", **fields)
        return made.id

    async def store(self, *names: tuple[str, str], **fields: Any) -> VectorStore:
        store = await self.ada.vector_stores.create(name="House", **fields)
        for name, text in names:
            done = await self.added(store.id, await self.file(name, text))
            assert (done.status, done.last_error) == ("completed", None)
        return store

    async def added(self, store: str, file: str, **fields: Any) -> VectorStoreFile:
        return await self.ada.vector_stores.files.create_and_poll(
            file, vector_store_id=store, poll_interval_ms=20, **fields
        )

    async def found(
        self, store: str, query: str | list[str] = "What does a lost card cost?", **fields: Any
    ) -> list[str]:
        page = await self.ada.vector_stores.search(store, query=query, **fields)
        return [hit.content[0].text for hit in page.data]


@pytest.fixture
def people(gateway: Gateway) -> People:
    return People(gateway)


def blobs(people: People) -> list[Path]:
    folder = people.gateway.services.settings.blobs_dir
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_file_is_kept_listed_read_and_deleted(people: People) -> None:
    files = people.ada.files
    first, second = await people.file(), await people.file("copy.md")
    expiring = await files.create(
        file=("later.txt", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    got = await files.retrieve(first)
    assert (got.bytes, got.filename, got.purpose, got.status) == (len(FEES), "fees.md", "assistants", "processed")
    assert expiring.expires_at == expiring.created_at + 3600
    assert [one.id for one in (await files.list()).data] == [expiring.id, second, first]
    pages = [one.id async for one in files.list(limit=1, order="asc", purpose="assistants")]
    assert pages == [first, second]
    assert (await files.content(first)).content == FEES.encode()
    assert len(blobs(people)) == 2  # the same bytes are kept once
    assert (await files.delete(first)).deleted
    assert (await files.content(second)).text == FEES
    await files.delete(second)
    assert len(blobs(people)) == 1
    with pytest.raises(openai.NotFoundError) as caught:
        await files.retrieve(first)
    assert (caught.value.code, caught.value.param) == ("file_not_found", "file_id")


async def test_what_cannot_be_a_file_is_refused_by_field_and_leaves_nothing(start: Start) -> None:
    async with start(max_file_bytes=200_000) as gateway:
        people = People(gateway)
        ada, form = people.ada, {"purpose": "assistants"}
        with pytest.raises(openai.BadRequestError) as wrong:
            await ada.files.create(file=("a.txt", b"x"), purpose="nonsense")  # type: ignore[arg-type]
        assert (wrong.value.code, wrong.value.param) == ("invalid_value", "purpose")
        for size in (250_000, 500_000):
            with pytest.raises(openai.APIStatusError) as large:
                await ada.files.create(file=("a.txt", b"x" * size), purpose="assistants")
            assert large.value.status_code == 413
        async with gateway.http(authorization=f"Bearer {gateway.secret('ada')}") as http:
            sent: list[httpx.Response] = [
                await http.post("/v1/files", data=form, files={"other": ("a.txt", b"x")}),
                await http.post("/v1/files", files={"purpose": (None, "assistants")}),
                await http.post("/v1/files", files={"file": ("a.txt", b"x")}),
                await http.post("/v1/files", data={**form, "made_up": "1"}, files={"file": ("a.txt", b"x")}),
                await http.post("/v1/files", data={"purpose": "x" * 9000}, files={"file": ("a.txt", b"x")}),
                await http.post("/v1/files", json={"purpose": "assistants"}),
                await http.post(
                    "/v1/files", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}
                ),
            ]
        codes = [(one.status_code, one.json()["error"]["code"]) for one in sent]
        assert codes == [
            (400, "invalid_value"),
            (400, "missing_required_parameter"),
            (400, "missing_required_parameter"),
            (400, "unknown_parameter"),
            (400, "invalid_value"),
            (400, "unsupported_media_type"),
            (400, "invalid_multipart"),
        ]
        assert blobs(people) == []


async def test_a_store_is_filled_searched_changed_and_deleted(people: People) -> None:
    stores = people.ada.vector_stores
    store = await people.store(("fees.md", FEES), ("heating.txt", HEATING), metadata={"floor": "2"})
    seen = await stores.retrieve(store.id)
    assert (seen.status, seen.file_counts.completed, seen.usage_bytes > 0) == ("completed", 2, True)
    page = await stores.search(store.id, query="What does a lost card cost?")
    assert page.data[0].filename == "fees.md"
    near = page.data[0].score
    far = (await stores.search(store.id, query="Who won the regatta at Ostend?")).data[0].score
    assert 1 >= near > 2 * far
    assert "seven crowns" in page.data[0].content[0].text
    several = await people.found(store.id, query=["lost card", "cold blanket"])
    assert len(several) == 2
    assert await people.found(store.id, query="regatta", ranking_options={"score_threshold": near}) == []
    strict: Any = {"score_threshold": near / 2, "hybrid_search": {"embedding_weight": 0.7, "text_weight": 0.3}}
    assert len(await people.found(store.id, ranking_options=strict, rewrite_query=True, max_num_results=1)) == 1

    changed = await stores.update(
        store.id, name="Home", metadata={}, expires_after={"anchor": "last_active_at", "days": 7}
    )
    assert (changed.name, changed.metadata) == ("Home", {})
    assert changed.expires_at == (changed.last_active_at or 0) + 7 * 86_400
    assert [one.id for one in (await stores.list()).data] == [store.id]
    assert (await stores.delete(store.id)).deleted
    for ask in (stores.retrieve(store.id), stores.search(store.id, query="lost card")):
        with pytest.raises(openai.NotFoundError) as caught:
            await ask
        assert caught.value.code == "vector_store_not_found"


async def test_files_of_a_store_are_listed_read_and_taken_out(people: People) -> None:
    files = people.ada.vector_stores.files
    store = await people.store(("fees.md", FEES), ("heating.txt", HEATING))
    listed = (await files.list(store.id, filter="completed", order="asc")).data
    assert len(listed) == 2
    assert listed[0].chunking_strategy is not None
    assert listed[0].chunking_strategy.type == "other"
    after = await files.list(store.id, order="asc", after=listed[0].id)
    before = await files.list(store.id, order="asc", before=listed[1].id)
    assert ([one.id for one in after.data], [one.id for one in before.data]) == ([listed[1].id], [listed[0].id])
    assert (await files.list(store.id, filter="failed")).data == []
    content = [part.text async for part in files.content(listed[1].id, vector_store_id=store.id)]
    assert content == [HEATING.strip()] or content == [HEATING]
    assert (await files.delete(listed[0].id, vector_store_id=store.id)).deleted
    assert all("crowns" not in text for text in await people.found(store.id))
    await people.ada.files.delete(listed[1].id)
    assert await people.found(store.id) == []
    assert (await people.ada.vector_stores.retrieve(store.id)).file_counts.total == 0


async def test_filters_and_attributes_are_openais(people: People) -> None:
    store = await people.store()
    for year, name in ((2023, "old.txt"), (2025, "new.txt")):
        file = await people.file(name, f"In {year} a lost card costs {year - 2016} crowns.")
        await people.added(store.id, file, attributes={"year": year, "draft": False, "place": "desk"})
    newer: Any = {
        "type": "and",
        "filters": [
            {"type": "gt", "key": "year", "value": 2024},
            {"type": "in", "key": "place", "value": ["desk", "hall"]},
            {"type": "or", "filters": [{"type": "eq", "key": "draft", "value": False}]},
        ],
    }
    page = await people.ada.vector_stores.search(store.id, query="lost card", filters=newer)
    (hit,) = page.data
    assert (hit.filename, hit.attributes) == ("new.txt", {"year": 2025.0, "draft": False, "place": "desk"})
    await people.ada.vector_stores.files.update(hit.file_id, vector_store_id=store.id, attributes={"year": 1999})
    assert await people.found(store.id, filters=newer) == []
    for wrong in (
        {"type": "in", "key": "year", "value": 3},
        {"type": "gt", "key": "year", "value": True},
        {"type": "like", "key": "year", "value": "2"},
        {"type": "and", "filters": []},
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            await people.found(store.id, filters=wrong)
        assert str(caught.value.param).startswith("filters")


async def test_batches_and_sizes_are_openais(people: People) -> None:
    store = await people.store()
    ids = [await people.file(f"part{number}.txt", f"Part {number}. " + "long words " * 300) for number in range(3)]
    sizes: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    batches = people.ada.vector_stores.file_batches
    batch = await batches.create_and_poll(store.id, file_ids=ids, chunking_strategy=sizes, poll_interval_ms=20)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    listed = (await batches.list_files(batch.id, vector_store_id=store.id)).data
    assert {one.id for one in listed} == set(ids)
    strategy = listed[0].chunking_strategy
    assert strategy is not None
    assert strategy.type == "static"
    each: Any = [{"file_id": ids[0], "attributes": {"a": 1}}, {"file_id": ids[1]}]
    second = await batches.create(store.id, files=each)
    assert (await batches.cancel(second.id, vector_store_id=store.id)).id == second.id
    wrong: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 60}}
    with pytest.raises(openai.BadRequestError) as caught:
        await batches.create(store.id, file_ids=ids, chunking_strategy=wrong)
    assert str(caught.value.param).startswith("chunking_strategy")


async def test_a_hostile_file_fails_alone_and_its_status_says_why(people: People) -> None:
    store = await people.store()
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 300_000_000)
    hostile = {"bomb.docx": bomb.getvalue(), "program.exe": b"MZ", "empty.txt": b" ", "broken.pdf": b"%PDF-1.7 x"}
    failed = {
        name: (await people.added(store.id, await people.file(name, content))).last_error
        for name, content in hostile.items()
    }
    assert {name: error and error.code for name, error in failed.items()} == {
        "bomb.docx": "invalid_file",
        "program.exe": "unsupported_file",
        "empty.txt": "invalid_file",
        "broken.pdf": "invalid_file",
    }
    assert all(error and error.message for error in failed.values())
    done = await people.added(store.id, await people.file())
    assert done.status == "completed"
    assert await people.found(store.id)


async def test_anothers_file_and_store_look_as_if_there_were_none(people: People) -> None:
    store = await people.store(("fees.md", FEES))
    file = (await people.ada.files.list()).data[0].id
    bob = people.bob
    asks: list[Any] = [
        bob.files.retrieve(file),
        bob.files.content(file),
        bob.files.delete(file),
        bob.vector_stores.retrieve(store.id),
        bob.vector_stores.search(store.id, query="card"),
        bob.vector_stores.delete(store.id),
        bob.vector_stores.files.list(store.id),
        bob.vector_stores.files.content(file, vector_store_id=store.id),
        bob.vector_stores.files.create(store.id, file_id=file),
    ]
    for ask in asks:
        with pytest.raises(openai.NotFoundError):
            await ask
    assert (await bob.files.list()).data == []
    assert (await bob.vector_stores.list()).data == []
    own = await bob.vector_stores.create()
    with pytest.raises(openai.NotFoundError):
        await bob.vector_stores.files.create(own.id, file_id=file)


async def test_a_shared_store_is_read_and_not_changed(people: People) -> None:
    store = await people.store(("fees.md", FEES))
    file = (await people.ada.files.list()).data[0].id
    shares, key = f"/api/vector_stores/{store.id}/shares", people.gateway.secret("ada")
    async with people.gateway.http(authorization=f"Bearer {key}") as http:
        assert (await http.post(shares, json={"reader": "key:bob"})).json()["data"] == [{"reader": "key:bob"}]
        found = await people.bob.vector_stores.search(store.id, query="lost card")
        assert found.data[0].file_id == file
        with pytest.raises(openai.PermissionDeniedError):
            await people.bob.vector_stores.files.delete(file, vector_store_id=store.id)
        with pytest.raises(openai.NotFoundError):
            await people.bob.files.content(file)
        assert (await http.request("DELETE", f"{shares}/key:bob")).json()["data"] == []
        assert (await http.post(shares, json={"reader": "bob"})).status_code == 400
    with pytest.raises(openai.NotFoundError):
        await people.bob.vector_stores.search(store.id, query="lost card")


async def test_a_persona_gives_passages_of_a_store_to_those_who_may_read_it(start: Start) -> None:
    async with start() as gateway:
        people = People(gateway)
        store = await people.store(("fees.md", FEES))
        keeper = f"id: keeper\nname: Keeper\ninstructions: You know.\nknowledge: {{stores: [{store.id}]}}\n"
        (gateway.personas_dir / "keeper.yaml").write_text(keeper + "retrieval: {floor: 0.1}\n")
        assert gateway.services.personas.reload()
        said = []
        for key in ("ada", "bob"):
            gateway.engine.will("Seven crowns [1].")
            answer = await gateway.ask("keeper", "What does a lost card cost?", key=gateway.secret(key))
            said.append(gateway.engine.requests[-1])
            cited = answer.choices[0].message.annotations or []
            for one in cited:
                path = httpx.URL(one.url_citation.url).path
                for reader, status in (("ada", 200), ("bob", 404)):
                    async with gateway.http(authorization=f"Bearer {gateway.secret(reader)}") as http:
                        assert (await http.get(path)).status_code == status
            assert bool(cited) == (key == "ada")
        assert "seven crowns" in said[0]["messages"][-1]["content"]
        assert "seven crowns" not in said[1]["messages"][-1]["content"]
        assert said[0]["cache_salt"] != said[1]["cache_salt"]


def row(*messages: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"messages": list(messages), **more}).encode() + b"\n"


ASKED, ANSWERED = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
PAIR: dict[str, Any] = {
    "input": {"messages": [ASKED]},
    "preferred_output": [ANSWERED],
    "non_preferred_output": [{"role": "assistant", "content": "What?"}],
}


@pytest.mark.parametrize(
    "content",
    [
        row(ASKED, ANSWERED),
        row({"role": "system", "content": "Be kind."}, ASKED, {**ANSWERED, "weight": 0}, ASKED, ANSWERED),
        json.dumps(PAIR).encode(),
    ],
)
async def test_a_sound_file_for_fine_tuning_is_kept(people: People, content: bytes) -> None:
    made = await people.ada.files.create(file=("talks.jsonl", content), purpose="fine-tune")
    assert (made.purpose, made.status, made.bytes) == ("fine-tune", "processed", len(content))
    assert [one.id for one in (await people.ada.files.list(purpose="fine-tune")).data] == [made.id]
    assert (await people.ada.files.content(made.id)).content == content


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("talks.json", row(ASKED, ANSWERED), "its name ends with .jsonl"),
        ("talks.jsonl", b"", "The file has no examples"),
        ("talks.jsonl", b"a,b\n1,2\n", "line 1: Not JSON"),
        ("talks.jsonl", row(ASKED, ANSWERED) + row(ASKED), "line 2: messages: There is no assistant message"),
        ("talks.jsonl", row(ASKED, ANSWERED) + b"\xff\n", "line 2: Byte 0 of the line is not UTF-8"),
        ("talks.jsonl", json.dumps({**PAIR, "preferred_output": []}).encode(), "line 1: preferred_output"),
    ],
)
async def test_a_file_that_no_training_takes_is_refused_with_its_line_and_leaves_nothing(
    people: People, name: str, content: bytes, told: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await people.ada.files.create(file=(name, content), purpose="fine-tune")
    assert (refused.value.code, refused.value.param) == ("invalid_file_format", "file")
    assert refused.value.type == "invalid_request_error"
    assert told in refused.value.message
    assert blobs(people) == []
    assert (await people.ada.files.list()).data == []
