"""Uploading files into a vector store from the command line, with a bar that tells how far it is."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import typer
from pydantic import BaseModel

from core.errors import NotFound
from server.cli.answers import Made, Share, Store, StoreFile, Uploaded
from server.cli.gateway import Gateway, read

_POLL_SECONDS = 0.3
_PAGE = "100"
Answer = TypeVar("Answer", bound=BaseModel)


def add_files(gateway: Gateway, store: str, paths: Sequence[Path], *, wait: bool = True) -> list[tuple[str, str]]:
    """Upload files into a store, and return which could not be read, and why.

    Raises:
        RepertoryError: the server refused or is away; files that were sent before stay.
    """
    store_id = _find(gateway, store) or _one(Made, gateway.post("/v1/vector_stores", {"name": store})).id
    failed: list[tuple[str, str]] = []
    with typer.progressbar(paths, label=f"Reading into {store_id}", item_show_func=_name) as bar:
        for path in bar:
            file = _one(Uploaded, gateway.upload(path))
            address = f"/v1/vector_stores/{store_id}/files"
            added = _one(StoreFile, gateway.post(address, {"file_id": file.id}))
            while wait and added.status == "in_progress":
                time.sleep(_POLL_SECONDS)
                added = _one(StoreFile, gateway.get(f"{address}/{file.id}"))
            if added.last_error is not None:
                failed.append((str(path), added.last_error.message))
    return failed


def remove_file(gateway: Gateway, store: str, file: str, *, delete: bool = False) -> str:
    """Take a file out of a store; return its id.

    Raises:
        NotFound: there is no such store, or no such file in it.
    """
    address = f"/v1/vector_stores/{_known(gateway, store)}/files"
    named = {one.id for one in _every(Uploaded, gateway, "/v1/files") if file in (one.id, one.filename)}
    for entry in _every(StoreFile, gateway, address):
        if entry.id in named:
            gateway.delete(f"{address}/{entry.id}")
            if delete:
                gateway.delete(f"/v1/files/{entry.id}")
            return entry.id
    raise NotFound(f"There is no file {file!r} in {store!r}.")


def readers(gateway: Gateway, store: str) -> list[str]:
    """Return whom a store is shared with.

    Raises:
        NotFound: there is no such store.
    """
    return _readers(gateway.get(_shares(gateway, store)))


def share(gateway: Gateway, store: str, reader: str) -> list[str]:
    """Let a reader find what a store holds; return all whom it is shared with.

    Raises:
        NotFound: there is no such store.
    """
    return _readers(gateway.post(_shares(gateway, store), {"reader": reader}))


def unshare(gateway: Gateway, store: str, reader: str) -> list[str]:
    """Let a reader find nothing of a store any more; return all whom it is still shared with.

    Raises:
        NotFound: there is no such store.
    """
    return _readers(gateway.delete(f"{_shares(gateway, store)}/{quote(reader, safe='')}"))


def _shares(gateway: Gateway, store: str) -> str:
    return f"/api/vector_stores/{_known(gateway, store)}/shares"


def _readers(body: object) -> list[str]:
    return [one.reader for one in read(Share, body)]


def _known(gateway: Gateway, store: str) -> str:
    store_id = _find(gateway, store)
    if store_id is None:
        raise NotFound(f"You have no vector store {store!r}. `repertory knowledge list` shows them.")
    return store_id


def _find(gateway: Gateway, store: str) -> str | None:
    """Return the id of the newest store of this id or name."""
    for one in _every(Made, gateway, "/v1/vector_stores"):
        if store in (one.id, one.name):
            return one.id
    return None


def searched_stores(gateway: Gateway, stores: Sequence[str]) -> list[str]:
    """Return the ids of stores that are given by id or name; what names none stays, for the server to refuse."""
    known = read(Store, gateway.get("/api/knowledge/stores"))
    named = {one.name: one.store for one in reversed(known)}  # the newest comes first, and stands for its name
    ids = {one.store for one in known}
    return [one if one in ids else named.get(one, one) for one in stores]


def _every(model: type[Answer], gateway: Gateway, address: str) -> list[Answer]:
    found: list[Answer] = []
    query = {"limit": _PAGE}
    while True:
        body = gateway.get(address, **query)
        found += read(model, body)
        if not isinstance(body, dict) or not body.get("has_more"):
            return found
        query["after"] = str(body["last_id"])


def _one(model: type[Answer], body: object) -> Answer:
    (answer,) = read(model, {"data": [body]})
    return answer


def _name(path: Path | None) -> str:
    return path.name if path else ""
