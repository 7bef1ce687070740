"""A store as LangChain sees it: a retriever and a vector store, for programs that run in this process.

Thin: searching, ranking and what is kept stay `Knowledge`'s. Imported by those who ask for it alone, since
LangChain takes a second to load.
"""

import contextlib
import json
import threading
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field

from core.errors import InvalidRequest
from retrieval.knowledge import Knowledge
from retrieval.records import Passage

_SUFFIX = ".txt"
_METADATA = ".metadata"
"""Folder of what came with the texts; a sync leaves out what begins with a dot."""

_LONGEST_NAME = 200
_ID_DIGITS = 16  # short, since the name of the file is embedded as its title


class KnowledgeRetriever(BaseRetriever):
    """Finds passages, each with where it stands: store, document, path, title, heading, page, range and scores."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge: Knowledge = Field(exclude=True)
    stores: tuple[str, ...]
    k: int = Field(4, ge=1)
    floor: float = 0.35
    dense_weight: float = 0.5

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        found = self.knowledge.search(
            self.stores, query, top_k=k or self.k, floor=self.floor, dense_weight=self.dense_weight
        )
        return [Document(page_content=one.text, metadata=_place(one), id=one.id) for one in found.passages]


class KnowledgeVectorStore(VectorStore):
    """A store that texts can be put into: each becomes a file of the folder that the store follows.

    Texts longer than a passage are found piece by piece: such a document has the id and the metadata of the whole,
    and `start` and `end` beside them. What else lies in the folder is found, too, and tells where it stands.

    Args:
        knowledge: where the store is.
        store: its name.
        folder: the folder that it follows; without it the store can only be searched.
    """

    def __init__(self, knowledge: Knowledge, store: str, folder: Path | None = None) -> None:
        self._knowledge = knowledge
        self._store = store
        self._folder = folder
        self._writing = threading.Lock()
        if folder is not None:
            (folder / _METADATA).mkdir(parents=True, exist_ok=True)
            knowledge.sync(store, folder)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Put texts in, or others in the place of those with the same ids, and return their ids.

        Raises:
            InvalidRequest: the store can only be searched, or the lists do not fit together.
        """
        _nothing_else(kwargs)
        folder, contents = self._writable(), list(texts)
        about = metadatas if metadatas is not None else [{} for _ in contents]
        named = [given or f"text-{uuid.uuid4().hex[:_ID_DIGITS]}" for given in ids or [None] * len(contents)]
        if not len(contents) == len(about) == len(named):
            raise InvalidRequest("There must be as many ids and metadatas as texts.", param="ids")
        with self._writing:
            for one, text, metadata in zip(named, contents, about, strict=True):
                name = _file_name(one)
                _write(folder / _METADATA / f"{name}.json", json.dumps(metadata))
                _write(folder / name, text)
            self._knowledge.sync(self._store, folder)
        return named

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Take texts out, without ids all that were put in; ids that are not there change nothing."""
        _nothing_else(kwargs)
        folder = self._writable()
        names = [_file_name(one) for one in ids] if ids is not None else self._written(folder)
        with self._writing:
            for name in names:
                if (folder / _METADATA / f"{name}.json").exists():
                    (folder / name).unlink(missing_ok=True)
                    (folder / _METADATA / f"{name}.json").unlink()
            self._knowledge.sync(self._store, folder)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the texts that were put in under these ids, whole; ids that are not there are left out."""
        found = (self._whole(one) for one in ids)
        return [document for document in found if document is not None]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the `k` best passages."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return the `k` best passages with their cosines; their order also follows the words.

        Args:
            query: what is searched for.
            k: how many.
            kwargs: `floor` (least cosine, default none) and `dense_weight`, as `Knowledge.search` takes them.
        """
        floor, dense_weight = float(kwargs.pop("floor", -1.0)), float(kwargs.pop("dense_weight", 0.5))
        _nothing_else(kwargs)
        found = self._knowledge.search([self._store], query, top_k=k, floor=floor, dense_weight=dense_weight)
        return [(self._document(one), float(one.cosine)) for one in found.passages]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        found = self.similarity_search_with_score(query, k, **kwargs)
        return [(document, min(max(cosine, 0.0), 1.0)) for document, cosine in found]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> "KnowledgeVectorStore":
        """Return a store that holds `texts`.

        Args:
            texts: put in.
            embedding: None; the store's own model embeds.
            metadatas: of the texts.
            ids: of the texts.
            kwargs: those of the constructor.

        Raises:
            InvalidRequest: another embedding model is given.
        """
        if embedding is not None:
            raise InvalidRequest("A store embeds with the server's model. Give None.", param="embedding")
        made = cls(**kwargs)
        made.add_texts(texts, metadatas, ids=ids)
        return made

    def _writable(self) -> Path:
        if self._folder is None:
            raise InvalidRequest(f"The store {self._store!r} can only be searched here: no folder was given.")
        return self._folder

    def _written(self, folder: Path) -> list[str]:
        return [path.stem for path in (folder / _METADATA).glob("*.json")]

    def _whole(self, one: str) -> Document | None:
        if self._folder is None:
            return None
        name = _file_name(one)
        metadata = self._metadata(name)
        if metadata is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            text = (self._folder / name).read_text(encoding="utf-8")
            return Document(page_content=text, metadata=metadata, id=one)
        return None

    def _document(self, passage: Passage) -> Document:
        metadata = self._metadata(passage.path)
        if metadata is None:
            return Document(page_content=passage.text, metadata=_place(passage), id=passage.id)
        one = unquote(passage.path.removesuffix(_SUFFIX))
        whole = self._whole(one)
        if whole is None or whole.page_content != passage.text:
            metadata |= {"start": passage.start, "end": passage.end}
        return Document(page_content=passage.text, metadata=metadata, id=one)

    def _metadata(self, name: str) -> dict[str, Any] | None:
        """Return what came with a text; None for a file that was not put in here."""
        if self._folder is None:
            return None
        try:
            found = json.loads((self._folder / _METADATA / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found if isinstance(found, dict) else None


def _place(passage: Passage) -> dict[str, Any]:
    return {
        "store": passage.store,
        "document": passage.document_id,
        "path": passage.path,
        "title": passage.title,
        "heading": passage.heading,
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "score": float(passage.score),
        "cosine": float(passage.cosine),
    }


def _file_name(one: str) -> str:
    """Return the file of an id; no id reaches out of the folder or hides there."""
    name = quote(one, safe="").replace(".", "%2E") + _SUFFIX
    if not one or len(name) > _LONGEST_NAME:
        raise InvalidRequest(f"{one[:60]!r} is empty or too long for an id.", param="ids")
    return name


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8", newline="")
    new.replace(path)


def _nothing_else(given: dict[str, Any]) -> None:
    if given:
        raise InvalidRequest(f"A store knows no {sorted(given)[0]!r}.", param=sorted(given)[0])
