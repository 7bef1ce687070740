"""LangChain's published suites for vector stores and retrievers, on our store. Run by `test_langchain_face.py`.

Our embedder stands in for the suite's: a passage is embedded below its title, and the suite's embeddings, random
for each text, then know nothing of what the passage shares with a query.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests

from core.database import Database
from retrieval import Knowledge
from retrieval.langchain_face import KnowledgeRetriever, KnowledgeVectorStore
from retrieval.tables import metadata
from tests.fakes.embedder import WordEmbedder


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "repertory.db")
    metadata.create_all(database.engine)
    yield database
    database.close()


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, database: Database, tmp_path: Path) -> VectorStore:
        knowledge = Knowledge(database, WordEmbedder(), tmp_path / "indexes")
        return KnowledgeVectorStore(knowledge, "suite", tmp_path / "folder")


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def library(self, database: Database, tmp_path: Path) -> None:
        self.knowledge = Knowledge(database, WordEmbedder(), tmp_path / "indexes")
        folder = tmp_path / "library"
        folder.mkdir()
        for number in ("one", "two", "three", "four", "five"):
            (folder / f"{number}.md").write_text(f"# Shelf {number}\n\nBooks about {number} ships.\n")
        self.knowledge.sync("library", folder)

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return KnowledgeRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"knowledge": self.knowledge, "stores": ("library",), "floor": -1.0}

    @property
    def retriever_query_example(self) -> str:
        return "books about ships"
