"""A child whose disk is full while files are uploaded, attached, taken in and searched.

`python -m tests.faults.full_disk_uploads limit|mount FOLDER` prints what it was told. What fills the disk is in
`tests/faults/full_disk.py`.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

import httpx

from core.database import Database
from server.migrations import migrate
from tests.faults.document_stories import content_of
from tests.faults.full_disk import filled, mount, told
from tests.faults.house import Client, House

_TRIES = 7  # more than a file may stop the server


def _lets_grow(more: bool) -> None:
    most = resource.RLIM_INFINITY if more else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


class _Filler:
    """Fills the disk once a file is begun and parsed, while it is armed."""

    armed = False

    def step(self, name: str) -> None:
        if self.armed and name == "embed":
            _lets_grow(more=False)


def _told_when_full_later(house: House, filler: _Filler) -> str:
    filler.armed = True
    try:
        return told(house.uploads.ingest.step)
    finally:
        filler.armed = False
        _lets_grow(more=True)


def _said(response: httpx.Response) -> list[object]:
    error = response.json().get("error", {})
    return [response.status_code, error.get("code"), "retry-after" in response.headers]


async def _told(house: House, filler: _Filler, client: Client, kind: str) -> dict[str, object]:
    answers: dict[str, Any] = {}
    ingest = house.uploads.ingest
    notes, plans = [await client.uploaded(name, content_of(name)) for name in ("notes.md", "plans.txt")]
    store = (await client.ask("POST", "/vector_stores", name="desk", file_ids=[notes]))["id"]
    house.work()
    await client.ask("POST", f"/vector_stores/{store}/files", file_id=plans)
    answers["full from the first vectors on"] = sorted(
        {_told_when_full_later(house, filler) for _ in range(_TRIES)}
    )
    with filled(house.base, kind):
        answers["upload"] = _said(await client.upload("large.bin", content_of("large.bin")))
        answers["small upload"] = _said(await client.upload("small.md", content_of("small.md")))
        made = await client.http.post("/vector_stores", json={"name": "shelf", "file_ids": [plans]})
        answers["attach"] = _said(made)
        answers["ingest"] = sorted({told(ingest.step) for _ in range(_TRIES)})
        answers["found while full"] = sorted({name for name, *_ in await client.search(store, "rule1")})
        answers["bytes while full"] = (await client.http.get(f"/files/{notes}/content")).content == content_of(
            "notes.md"
        )
        house.knowledge.settle()
    answers["left behind"] = sorted(path.name for path in (house.base / "blobs" / "incoming").iterdir())
    answers["left behind"] += sorted(path.name for path in (house.base / "indexes").glob("*.tmp"))
    answers["blobs"] = len(list(house.uploads.files.blobs.held()))
    answers["after"] = _said(await client.upload("large.bin", content_of("large.bin")))
    house.work()
    held = await client.every(f"/vector_stores/{store}/files")
    answers["completed"] = [one["status"] for one in held]
    answers["found"] = sorted({name for name, *_ in await client.search(store, "rule1")})
    answers["stores"] = [one["name"] for one in await client.every("/vector_stores")]
    answers["files"] = sorted(one["filename"] for one in await client.every("/files"))
    return answers


def main(kind: str, folder: Path) -> dict[str, object]:
    """Do all of it; return what each try said."""
    if kind == "mount":
        mount(folder, megabytes=16)
    (folder / "personas").mkdir()
    database = Database(folder / "repertory.db")
    migrate(database)
    database.close()
    filler = _Filler()
    house = House(folder, step=filler.step)

    async def ask() -> dict[str, object]:
        async with house.client() as client:
            return await _told(house, filler, client, kind)

    answers = asyncio.run(ask())
    house.close()
    return answers


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201  to whoever started it
