"""Stories of what people upload, put into vector stores and take away again, and of folders. Run in a child.

All goes through the routes; a story says itself where it takes bytes in, parses, cuts, embeds, and answers.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.faults.house import Client, House
from tests.faults.witness import Witness

BOTH_MODELS = ("words/1", "words/2")
_HALF = 1_200_000  # bytes: the server writes what it has received to disk by the megabyte
_CUT_SMALL = ("long.md",)


def attachment(name: str, file_id: str) -> dict[str, object]:
    """Return what is asked for to attach a file; some are cut smaller than the server would."""
    small = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    return {"file_id": file_id} | ({"chunking_strategy": small} if name in _CUT_SMALL else {})


def original_of(name: str) -> str:
    """Return the name of the file whose bytes a file has; of the same words a search shows one file alone."""
    return "notes.md" if name == "copy.md" else name


def content_of(name: str) -> bytes:
    """Return the bytes of a file, which its name decides."""
    if name == "large.bin":
        return b"0123456789abcdef" * (2 * _HALF // 16)
    name = original_of(name)
    paragraphs = 40 if name == "long.md" else 4
    stem = name.partition(".")[0]
    lines = [
        f"The {stem} rule{number} of {stem} says what case{number} asks of you. " * 5
        for number in range(paragraphs)
    ]
    return f"# About {stem}\n\n{chr(10).join(lines)}\n".encode()


class _Teller:
    """Does what people do, one thing at a time, and says what was acknowledged."""

    def __init__(self, house: House, client: Client, witness: Witness) -> None:
        self._house = house
        self._client = client
        self._witness = witness
        self._ids: dict[str, str] = {}

    async def upload(self, name: str) -> None:
        receive = partial(self._witness.step, "receive bytes")
        await self._told(("file", name), self._client.uploaded(name, content_of(name), receive))

    async def make(self, store: str, *names: str) -> None:
        file_ids = [self._ids[name] for name in names]
        making = self._client.ask("POST", "/vector_stores", name=store, file_ids=file_ids)
        await self._told(("store", store, *names), _id_of(making))

    async def attach(self, store: str, name: str) -> None:
        attaching = self._client.ask("POST", self._path(store), **attachment(name, self._ids[name]))
        await self._told(("attach", store, name), attaching)

    async def attach_together(self, store: str, *names: str) -> None:
        path = f"/vector_stores/{self._ids[store]}/file_batches"
        file_ids = [self._ids[name] for name in names]
        await self._told(("attach", store, *names), self._client.ask("POST", path, file_ids=file_ids))

    async def detach(self, store: str, name: str) -> None:
        path = f"{self._path(store)}/{self._ids[name]}"
        await self._told(("detach", store, name), self._client.ask("DELETE", path))

    async def delete_file(self, name: str) -> None:
        await self._told(("delete file", name), self._client.ask("DELETE", f"/files/{self._ids[name]}"))

    async def delete_store(self, store: str) -> None:
        await self._told(("delete store", store), self._client.ask("DELETE", f"/vector_stores/{self._ids[store]}"))

    async def work(self, store: str) -> None:
        """Take in what waits, and search, which builds the index; it is written in the background."""
        self._house.work()
        await self._client.search(self._ids[store], "What does rule1 say?")
        self._house.knowledge.settle()

    async def _told(self, fact: tuple[str, ...], doing: Awaitable[object]) -> None:
        self._witness.attempt(*fact)
        made = await doing
        self._witness.step("answer")
        if isinstance(made, str):
            self._ids[fact[1]] = made
            self._witness.acknowledge(*fact, made)
        else:
            self._witness.acknowledge(*fact, "")

    def _path(self, store: str) -> str:
        return f"/vector_stores/{self._ids[store]}/files"


async def _id_of(making: Awaitable[dict[str, str]]) -> str:
    return (await making)["id"]


async def _uploads(teller: _Teller) -> None:
    """Upload a large file, two with the same bytes, and one for two stores; delete them."""
    await teller.upload("large.bin")
    await teller.upload("notes.md")
    await teller.upload("copy.md")
    await teller.make("desk", "notes.md", "copy.md")
    await teller.make("shelf", "notes.md")
    await teller.work("desk")
    await teller.delete_file("notes.md")
    await teller.delete_file("large.bin")
    await teller.work("desk")
    await teller.delete_file("copy.md")
    await teller.work("desk")


async def _stores(teller: _Teller) -> None:
    """Fill two stores, one by one and together; take a file out, put it back, delete a store."""
    for name in ("long.md", "notes.md", "plans.txt"):
        await teller.upload(name)
    await teller.make("desk")
    await teller.attach("desk", "long.md")
    await teller.work("desk")
    await teller.make("shelf")
    await teller.attach_together("shelf", "notes.md", "plans.txt")
    await teller.attach("desk", "notes.md")
    await teller.work("desk")
    await teller.detach("desk", "long.md")
    await teller.attach("desk", "plans.txt")
    await teller.work("desk")
    await teller.delete_store("shelf")
    await teller.work("desk")


def _in_a_house(story: Callable[[_Teller], Awaitable[None]], base: Path, witness: Witness) -> None:
    async def told() -> None:
        house = House(base, step=witness.step)
        async with house.client() as client:
            await story(_Teller(house, client, witness))
        house.close()

    asyncio.run(told())


def folders(base: Path, witness: Witness) -> None:
    """Read a folder and an upload, then the folder's next edition, then all anew with another embedder."""
    first, second = BOTH_MODELS

    async def told(house: House) -> None:
        async with house.client() as client:
            teller = _Teller(house, client, witness)
            await teller.upload("notes.md")
            await teller.make("desk", "notes.md")
            await teller.work("desk")

    house = House(base, model=first, step=witness.step)
    asyncio.run(told(house))
    for edition in ("old", "new"):
        write_folder(base / "books", edition)
        _read(house, witness, first, edition)
    house.close()
    house = House(base, model=second, step=witness.step)
    _read(house, witness, second, "new")
    house.work()
    house.close()


def _read(house: House, witness: Witness, model: str, edition: str) -> None:
    witness.attempt("read", model, edition)
    house.knowledge.sync("books", house.base / "books")
    witness.step("answer")
    witness.acknowledge("read", model, edition)


def write_folder(folder: Path, edition: str) -> None:
    """Write an edition; the new one changes a book, lacks one, and has another."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("cats", "dogs") if edition == "old" else ("cats", "hens"):
        (folder / f"{name}.md").write_bytes(content_of(f"{name}-{edition}.md"))
    (folder / "same.md").write_bytes(content_of("same.md"))


DOCUMENT_STORIES: dict[str, Callable[[Path, Witness], None]] = {
    "uploads": partial(_in_a_house, _uploads),
    "stores": partial(_in_a_house, _stores),
    "folders": folders,
}
