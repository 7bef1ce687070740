"""`POST /v1/embeddings`: the embedding model that retrieval uses, in OpenAI's shape."""

import base64
from typing import Annotated, Literal

import anyio
import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue

from core.errors import InvalidRequest, ModelNotFound
from core.principal import Scope
from retrieval.records import Vectors
from server.access import Caller
from server.requests import read_body
from server.services import TheServices
from server.usage.answers import limit_headers
from server.usage.estimate import text_tokens
from server.wire import JsonResponse

router = APIRouter()
_TEXT: JsonSchemaValue = {"type": "string", "minLength": 1}
_INPUT: JsonSchemaValue = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 2048}]}


class EmbeddingRequest(BaseModel):
    """An embedding request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    input: Annotated[object, WithJsonSchema(_INPUT)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None


@router.post("/v1/embeddings")
async def create_embeddings(request: Request, services: TheServices, principal: Caller) -> Response:
    """Return one unit vector for each text."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, EmbeddingRequest)
    name = services.settings.embedding_name
    if asked.model != name:
        raise ModelNotFound(asked.model)
    texts = _texts(asked.input, name)
    if asked.dimensions not in (None, services.embedder.dimensions):
        raise InvalidRequest(
            f"{name} gives {services.embedder.dimensions} dimensions, always. Leave dimensions out.",
            code="unsupported_value",
            param="dimensions",
        )
    tokens = text_tokens(texts)
    admission = services.meter.admit(principal, name, prompt=tokens)
    with admission.embedding():
        vectors = await anyio.to_thread.run_sync(services.embedder.embed, texts)
    return JsonResponse(
        {
            "object": "list",
            "model": name,
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(_encoded(vectors, asked.encoding_format))
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        },
        headers=limit_headers(admission.standings()),
    )


def _texts(given: object, name: str) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 1 <= len(texts) <= 2048:
        raise InvalidRequest("input must be a text or 1 to 2048 texts.", code="invalid_value", param="input")
    if any(isinstance(item, int | list) for item in texts):
        raise InvalidRequest(
            f"{name} takes texts, not token numbers, which belong to another tokenizer. Send strings "
            "(LangChain: check_embedding_ctx_length=False).",
            code="unsupported_value",
            param="input",
        )
    if not all(isinstance(item, str) and item for item in texts):
        raise InvalidRequest("input must hold texts that are not empty.", code="invalid_value", param="input")
    return [item for item in texts if isinstance(item, str)]


def _encoded(vectors: Vectors, encoding: Literal["float", "base64"]) -> list[list[float]] | list[str]:
    little = vectors.astype("<f4")
    if encoding == "base64":
        return [base64.b64encode(row.tobytes()).decode() for row in little]
    floats: list[list[float]] = np.asarray(little, dtype=np.float64).tolist()
    return floats
