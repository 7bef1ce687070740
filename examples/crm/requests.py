"""What the CRM is asked, in the shapes of HubSpot's reference: "Search", "Objects", "Notes"."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Filter(BaseModel):
    """One comparison; `associations.contact` and its like stand for ties."""

    model_config = ConfigDict(extra="forbid")

    propertyName: str  # noqa: N815 - HubSpot's own name
    operator: Literal["EQ", "NEQ", "GT", "GTE", "LT", "LTE", "HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN"]
    value: str | None = None


class FilterGroup(BaseModel):
    """Comparisons that all hold."""

    model_config = ConfigDict(extra="forbid")

    filters: Annotated[list[Filter], Field(min_length=1, max_length=6)]


class Sort(BaseModel):
    """By what to sort."""

    model_config = ConfigDict(extra="forbid")

    propertyName: str  # noqa: N815
    direction: Literal["ASCENDING", "DESCENDING"] = "ASCENDING"


class Search(BaseModel):
    """A search: words, and groups of comparisons of which one holds."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(max_length=3000)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 10
    after: Annotated[str, Field(pattern=r"^[0-9]*$")] = "0"
    properties: list[str] = []
    sorts: Annotated[list[Sort], Field(max_length=1)] = []
    filterGroups: Annotated[list[FilterGroup], Field(max_length=5)] = []  # noqa: N815


class AssociationType(BaseModel):
    """What kind of tie."""

    associationCategory: Literal["HUBSPOT_DEFINED"]  # noqa: N815
    associationTypeId: int  # noqa: N815


class NewTie(BaseModel):
    """A tie to make with a new record."""

    to: dict[Literal["id"], str]
    types: Annotated[list[AssociationType], Field(min_length=1)]


class NewRecord(BaseModel):
    """A record to make."""

    model_config = ConfigDict(extra="forbid")

    properties: dict[str, Any]
    associations: list[NewTie] = []


class Changes(BaseModel):
    """What to change of a record."""

    model_config = ConfigDict(extra="forbid")

    properties: dict[str, Any]
