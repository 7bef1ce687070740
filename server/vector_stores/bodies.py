"""What requests about vector stores may say, with OpenAI's names and bounds. Knows no database."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    model_validator,
)

from retrieval.attribute_filter import Comparison, Compound, Filter
from retrieval.vector_store import Sizes
from server.wire import complaint

_MOST_FILTERS = 128

Key = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=512)]
AttributeValue = StrictBool | StrictInt | StrictFloat | Text
Attributes = Annotated[dict[Key, AttributeValue], Field(max_length=16)]
Metadata = Annotated[dict[Key, Text], Field(max_length=16)]
FileId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StaticSizes(_Body):
    """Sizes of pieces, in tokens."""

    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0)

    @model_validator(mode="after")
    def _at_most_half(self) -> "StaticSizes":
        if 2 * self.chunk_overlap_tokens > self.max_chunk_size_tokens:
            raise complaint(
                "invalid_value",
                "chunk_overlap_tokens is more than half of max_chunk_size_tokens. Make it smaller.",
                field="chunk_overlap_tokens",
            )
        return self


class AutoChunking(_Body):
    """The server chooses."""

    type: Literal["auto"]


class StaticChunking(_Body):
    """The client chooses."""

    type: Literal["static"]
    static: StaticSizes


Chunking = Annotated[AutoChunking | StaticChunking, Field(discriminator="type")]


def sizes_of(chunking: AutoChunking | StaticChunking | None) -> Sizes | None:
    """Return the sizes that a client chose; None leaves them to the server."""
    if not isinstance(chunking, StaticChunking):
        return None
    return Sizes(chunking.static.max_chunk_size_tokens, chunking.static.chunk_overlap_tokens)


class ExpiresAfter(_Body):
    """Days after the last use."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


class StoreBody(_Body):
    """A new vector store."""

    name: Annotated[str, StringConstraints(max_length=256)] | None = None
    description: Annotated[str, StringConstraints(max_length=2000)] | None = None
    file_ids: list[FileId] | None = Field(None, max_length=500)
    expires_after: ExpiresAfter | None = None
    chunking_strategy: Chunking | None = None
    metadata: Metadata | None = None


class StoreChanges(_Body):
    """What of a vector store becomes another; what is left out stays."""

    name: Annotated[str, StringConstraints(max_length=256)] | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class StoreFileBody(_Body):
    """A file for a store."""

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class AttributesBody(_Body):
    """Other attributes of a file in a store."""

    attributes: Attributes | None


class BatchBody(_Body):
    """Files for a store: by id, all alike, or each with its own attributes and sizes."""

    file_ids: list[FileId] | None = Field(None, min_length=1, max_length=2000)
    files: list[StoreFileBody] | None = Field(None, min_length=1, max_length=2000)
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "BatchBody":
        if (self.file_ids is None) == (self.files is None):
            raise complaint("invalid_value", "Name the files either in file_ids or in files.", field="file_ids")
        if self.files is not None and (self.attributes is not None or self.chunking_strategy is not None):
            raise complaint(
                "invalid_value", "Beside files, say attributes and sizes for each of them.", field="files"
            )
        return self

    def each(self) -> list[StoreFileBody]:
        """Return every file with what is said of it; of one that is named twice the last."""
        named = self.files or [self._alike(one) for one in self.file_ids or ()]
        return list({one.file_id: one for one in named}.values())

    def _alike(self, file_id: str) -> StoreFileBody:
        return StoreFileBody(file_id=file_id, attributes=self.attributes, chunking_strategy=self.chunking_strategy)


class ComparisonFilter(_Body):
    """An attribute against a value, or against several (`in`, `nin`)."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: Key
    value: AttributeValue | Annotated[list[AttributeValue], Field(max_length=256)]

    @model_validator(mode="after")
    def _fits(self) -> "ComparisonFilter":
        several = isinstance(self.value, list)
        if several != (self.type in ("in", "nin")):
            wanted = "a list" if self.type in ("in", "nin") else "one value"
            raise complaint("invalid_value", f"The filter {self.type!r} takes {wanted}.", field="value")
        if isinstance(self.value, bool) and self.type not in ("eq", "ne"):
            raise complaint(
                "invalid_value", f"The filter {self.type!r} takes a number or a string.", field="value"
            )
        return self


class CompoundFilter(_Body):
    """All of several filters, or one of them."""

    type: Literal["and", "or"]
    filters: list["AnyFilter"] = Field(min_length=1, max_length=_MOST_FILTERS)


AnyFilter = Annotated[ComparisonFilter | CompoundFilter, Field(discriminator="type")]


def filter_of(wanted: ComparisonFilter | CompoundFilter) -> Filter:
    """Return a filter as the search takes it."""
    if isinstance(wanted, CompoundFilter):
        return Compound(wanted.type, [filter_of(one) for one in wanted.filters])
    values = wanted.value if isinstance(wanted.value, list) else [wanted.value]
    return Comparison(wanted.type, wanted.key, values)


class HybridSearch(_Body):
    """Weights of meaning and of words."""

    embedding_weight: float = Field(ge=0)
    text_weight: float = Field(ge=0)

    @model_validator(mode="after")
    def _not_both_zero(self) -> "HybridSearch":
        if not self.embedding_weight + self.text_weight:
            raise complaint("invalid_value", "One of the weights must be above 0.", field="embedding_weight")
        return self


class RankingOptions(_Body):
    """How results are ranked. Every `ranker` is the server's own."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: float = Field(0, ge=0, le=1)
    hybrid_search: HybridSearch | None = None


Query = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class StoreSearchBody(_Body):
    """A search in one vector store."""

    query: Query | Annotated[list[Query], Field(min_length=1, max_length=8)]
    max_num_results: int = Field(10, ge=1, le=50)
    filters: AnyFilter | None = None
    ranking_options: RankingOptions = Field(default_factory=lambda: RankingOptions())
    rewrite_query: bool = False

    @model_validator(mode="after")
    def _not_too_many(self) -> "StoreSearchBody":
        if self.filters is not None and sum(1 for _ in _every(self.filters)) > _MOST_FILTERS:
            raise complaint("invalid_value", f"There are more than {_MOST_FILTERS} filters.", field="filters")
        return self

    @property
    def queries(self) -> list[str]:
        """Every query."""
        return [self.query] if isinstance(self.query, str) else list(self.query)

    @property
    def dense_weight(self) -> float:
        """Share of meaning in the ranking."""
        weights = self.ranking_options.hybrid_search
        if weights is None:
            return 0.5
        return weights.embedding_weight / (weights.embedding_weight + weights.text_weight)


def _every(wanted: ComparisonFilter | CompoundFilter) -> Iterator[ComparisonFilter | CompoundFilter]:
    yield wanted
    if isinstance(wanted, CompoundFilter):
        for one in wanted.filters:
            yield from _every(one)
