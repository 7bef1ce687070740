"""A persona's documents as a LangChain retriever, over HTTP: what a program elsewhere needs, in one file."""

from typing import Any

import httpx
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, SecretStr


class RepertoryRetriever(BaseRetriever):
    """Searches as the persona does. The key needs the scope `knowledge`.

    Attributes:
        url: of the server, without `/v1`.
        k: passages at most.
    """

    url: str
    key: SecretStr
    persona: str
    k: int = Field(4, ge=1, le=50)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        response = httpx.post(
            f"{self.url}/api/knowledge/search",
            json={"query": query, "persona": self.persona, "top_k": k or self.k},
            headers={"authorization": f"Bearer {self.key.get_secret_value()}"},
            timeout=60,
        )
        response.raise_for_status()
        return [self._document(hit) for hit in response.json()["data"]]

    def _document(self, hit: dict[str, Any]) -> Document:
        source = f"{self.url}/v1/files/{hit['document']}/content#chars={hit['start']}-{hit['end']}"
        return Document(page_content=hit.pop("text"), metadata=hit | {"source": source})
