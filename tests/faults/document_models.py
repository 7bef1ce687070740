"""What must be true of uploads, vector stores and folders after a kill, told by a model in plain dicts.

The model is folded from what was acknowledged and knows nothing of how it is stored. What a restarted server shows
must be the model with or without the one thing that was under way, and in each answer, each row and each file on
the disk the same as what a server shows that was built afresh and never did anything else.
"""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.faults.document_stories import BOTH_MODELS, attachment, content_of, original_of, write_folder
from tests.faults.house import Client, House

Fact = tuple[object, ...]
QUESTIONS = ("What does rule1 of notes say?", "long case33", "plans")
_TABLES = (
    "server_files",
    "retrieval_vector_stores",
    "retrieval_store_files",
    "retrieval_file_attributes",
    "retrieval_stores",
    "retrieval_documents",
    "retrieval_passages",
    "retrieval_vectors",
)


@dataclass
class Promised:
    """What was acknowledged.

    Attributes:
        files: name → id.
        stores: name → names of its files.
        ids: of stores, by name.
        books: edition of the folder that was read, and by which embedder.
    """

    files: dict[str, str] = field(default_factory=dict)
    stores: dict[str, set[str]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    books: tuple[str, str] | None = None

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> "Promised":
        """Fold what was said, each fact with the id of what was made at its end, or "" where that is not known."""
        promised = cls()
        for fact in facts:
            promised._take(*map(str, fact))
        return promised

    def _take(self, kind: str, first: str, *more: str) -> None:
        *names, made = more
        if kind == "file":
            self.files[first] = made
        elif kind == "store":
            self.stores[first], self.ids[first] = set(names), made
        elif kind == "attach":
            self.stores[first] |= set(names)
        elif kind == "detach":
            self.stores[first] -= set(names)
        elif kind == "delete file":
            del self.files[first]
            for held in self.stores.values():
                held.discard(first)
        elif kind == "delete store":
            del self.stores[first], self.ids[first]
        elif kind == "read":
            self.books = (first, made)
        else:
            raise ValueError(kind)

    def shown(self) -> dict[str, list[str]]:
        """Return the names of all files (under "") and of those of each store."""
        return {"": sorted(self.files)} | {store: sorted(names) for store, names in self.stores.items()}


def check_documents(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """Every upload, store and attachment that was acknowledged is there and found, and nothing else."""
    house = House(base)
    promised = _which(house, done, tried)
    house.work()
    assert asyncio.run(_members(house)) == promised.shown()
    _check_same(house, _afresh(base.parent, promised.shown()))
    _check_empties(house)
    house.close()


def check_folders(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """A folder is found as it was read; reading on with the newer embedder ends as if begun with it."""
    promised = Promised.of(done)
    if promised.books is not None and tried is None:
        model, edition = promised.books
        house = House(base, model=model)
        expected = _afresh(base.parent, promised.shown(), model, edition)
        house.uploads.ingest.embed_anew()
        assert asyncio.run(_seen(house))["found"] == expected["found"]
        house.close()
    house = House(base, model=BOTH_MODELS[1])
    promised = _which(house, done, tried if tried and tried[0] != "read" else None)
    write_folder(base / "books", "new")
    house.knowledge.sync("books", base / "books")
    house.work()
    _check_same(house, _afresh(base.parent, promised.shown(), BOTH_MODELS[1], "new"))
    assert house.knowledge.sync("books", base / "books").passages_embedded == 0
    _check_empties(house)
    house.close()


def _which(house: House, done: Sequence[Fact], tried: Fact | None) -> Promised:
    """Return the model that the restarted server agrees with, before it has gone on with anything.

    What is under way may have happened, or not; its halves are neither.
    """
    possible = [Promised.of(done)]
    if tried is not None:
        possible.append(Promised.of([*done, (*tried, "")]))
    members = asyncio.run(_members(house))
    agreed = [one for one in possible if one.shown() == members]
    assert agreed, f"{members} is neither of {[one.shown() for one in possible]}"
    asyncio.run(_check_ids(house, agreed[0]))
    return agreed[0]


async def _members(house: House) -> dict[str, list[str]]:
    async with house.client() as client:
        names = {one["id"]: one["filename"] for one in await client.every("/files")}
        members = {"": sorted(names.values())}
        for store in await client.every("/vector_stores"):
            held = await client.every(f"/vector_stores/{store['id']}/files")
            members[store["name"]] = sorted(names[one["id"]] for one in held)
            await _check_found(
                client, store["id"], {names[one["id"]] for one in held if one["status"] == "completed"}
            )
    return members


async def _check_found(client: Client, store: str, completed: set[str]) -> None:
    """A store that can be searched shows the files that it calls completed, those alone, and all of them."""
    response = await client.http.post(
        f"/vector_stores/{store}/search", json={"query": "rule", "max_num_results": 50}
    )
    if response.status_code == 503:
        assert response.json()["error"]["code"] == "store_outdated"
        return
    found = {original_of(hit["filename"]) for hit in response.json()["data"]}
    assert found == {original_of(name) for name in completed}


async def _check_ids(house: House, promised: Promised) -> None:
    async with house.client() as client:
        files = {one["filename"]: one["id"] for one in await client.every("/files")}
        stores = {one["name"]: one["id"] for one in await client.every("/vector_stores")}
    assert all(files[name] == file_id for name, file_id in promised.files.items() if file_id)
    assert all(stores[name] == store_id for name, store_id in promised.ids.items() if store_id)


async def _seen(house: House) -> dict[str, Any]:
    """Return what a server shows of all that it holds, and what lies on its disk."""
    found: dict[str, Any] = {}
    contents, statuses = {}, {}
    async with house.client() as client:
        for one in await client.every("/files"):
            content = (await client.http.get(f"/files/{one['id']}/content")).content
            contents[one["filename"]] = hashlib.sha256(content).hexdigest()
            assert content == content_of(one["filename"])
        for store in await client.every("/vector_stores"):
            held = await client.every(f"/vector_stores/{store['id']}/files")
            statuses[store["name"]] = sorted(one["status"] for one in held)
            for ask in QUESTIONS:
                hits = await client.search(store["id"], ask)
                found[f"{store['name']}: {ask}"] = sorted([original_of(name), *hit] for name, *hit in hits)
    for folder in (one.name for one in house.knowledge.stores() if one.name == "books"):
        for ask in ("rule1 of cats", "hens dogs case0"):
            result = house.knowledge.search([folder], ask, top_k=50, per_document=50, floor=-1.0)
            found[f"{folder}: {ask}"] = sorted(
                [hit.path, hit.text, round(hit.score, 5)] for hit in result.passages
            )
    with house.database.read() as connection:
        rows = {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in _TABLES}
    house.knowledge.settle()
    indexes = sorted((house.base / "indexes").glob("*"))
    assert [path.name for path in indexes if path.suffix == ".tmp"] == []
    blobs = house.base / "blobs"
    return {
        "contents": contents,
        "statuses": statuses,
        "found": found,
        "rows": rows,
        "blobs": sorted(path.relative_to(blobs).as_posix() for path in blobs.rglob("*") if path.is_file()),
        "indexes": len(indexes),
    }


def _check_same(house: House, expected: dict[str, Any]) -> None:
    seen = asyncio.run(_seen(house))
    assert {status for held in seen["statuses"].values() for status in held} <= {"completed"}
    for part, value in expected.items():
        assert seen[part] == value, part


def _afresh(
    folder: Path, members: dict[str, list[str]], model: str = "words/1", edition: str = ""
) -> dict[str, Any]:
    """Return what a server shows that was given this alone; it is built once and remembered in a file."""
    wanted = json.dumps([members, model, edition], sort_keys=True)
    built = folder / f"afresh-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
    answer = built.with_suffix(".json")
    if not answer.exists():
        shutil.copytree(folder / "beginning", built)
        answer.write_text(json.dumps(_built(built, members, model, edition)))
        shutil.rmtree(built)
    loaded: dict[str, Any] = json.loads(answer.read_text())
    return loaded


def _built(base: Path, members: dict[str, list[str]], model: str, edition: str) -> dict[str, Any]:
    house = House(base, model=model)

    async def fill() -> None:
        async with house.client() as client:
            ids = {name: await client.uploaded(name, content_of(name)) for name in members[""]}
            for store in sorted(set(members) - {""}):
                store_id = (await client.ask("POST", "/vector_stores", name=store))["id"]
                for name in members[store]:
                    await client.ask("POST", f"/vector_stores/{store_id}/files", **attachment(name, ids[name]))

    asyncio.run(fill())
    house.work()
    if edition:
        write_folder(base / "books", edition)
        house.knowledge.sync("books", base / "books")
    seen = asyncio.run(_seen(house))
    house.close()
    return seen


def _check_empties(house: House) -> None:
    """Once all is deleted, nothing is left of it, be it in a row or in a file."""

    async def empty() -> None:
        async with house.client() as client:
            for one in await client.every("/files"):
                await client.ask("DELETE", f"/files/{one['id']}")
            for one in await client.every("/vector_stores"):
                await client.ask("DELETE", f"/vector_stores/{one['id']}")

    asyncio.run(empty())
    if (books := house.base / "books").exists():
        shutil.rmtree(books)
        books.mkdir()
        house.knowledge.sync("books", books)
    house.work()
    seen = asyncio.run(_seen(house))
    folders = sum(one.name == "books" for one in house.knowledge.stores())
    assert seen["rows"] == dict.fromkeys(_TABLES, 0) | {"retrieval_stores": folders}
    assert seen["blobs"] == []
    assert seen["indexes"] == folders


DOCUMENT_CHECKS: dict[str, Callable[[Path, Sequence[Fact], Fact | None], None]] = {
    "uploads": check_documents,
    "stores": check_documents,
    "folders": check_folders,
}
