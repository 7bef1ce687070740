"""Whole calls against real FastAPI applications, from the very document that each of them writes."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
import pytest
from fastapi import Body, Cookie, FastAPI, File, Form, Header, Query, UploadFile
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from actions import ActionConfig, ActionResult, ActionSet, ArgumentsInvalid, NetworkGrants, Secrets
from actions.json_value import JsonObject
from core.ids import PersonaId, PrincipalId
from tests.actions.documents import write
from tests.fakes.serving import serving_app

_NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    """A tree."""

    name: str
    children: list["Node"] = []


class Card(BaseModel):
    """One way to pay."""

    kind: Literal["card"]
    number: str


class Invoice(BaseModel):
    """Another."""

    kind: Literal["invoice"]
    address: str | None


class Order(BaseModel):
    """What may be absent, null, one of several, a map, or have a form of its own."""

    note: str | None = None
    place: tuple[float, float] | None = None
    amounts: dict[str, int | None] = {}
    reference: int | str
    due: date | None = None
    pay: Annotated[Card | Invoice, Field(discriminator="kind")]
    parent: Node | None = None


def _shop() -> FastAPI:
    """Return an application with what FastAPI can ask for; each operation answers with what it understood."""
    app = FastAPI(title="Shop")

    @app.get("/items/{item_id}")
    def item(
        item_id: Annotated[int, InPath(ge=1)],
        tags: Annotated[list[str] | None, Query()] = None,
        colour: Colour = Colour.RED,
        x_trace: Annotated[str | None, Header()] = None,
        session: Annotated[str | None, Cookie()] = None,
    ) -> dict[str, Any]:
        return {"item_id": item_id, "tags": tags, "colour": colour, "x_trace": x_trace, "session": session}

    @app.post("/trees")
    def tree(node: Node, account: str) -> dict[str, Any]:
        return {"account": account, "node": node.model_dump()}

    @app.put("/orders/{order_id}")
    def order(
        order_id: str, order: Annotated[Order, Body(embed=True)], urgent: Annotated[bool | None, Body()] = None
    ) -> dict[str, Any]:
        return {"order_id": order_id, "order": order.model_dump(mode="json"), "urgent": urgent}

    @app.post("/forms")
    def form(
        name: Annotated[str, Form()], amount: Annotated[float, Form()], tags: Annotated[list[str], Form()]
    ) -> dict[str, Any]:
        return {"name": name, "amount": amount, "tags": tags}

    @app.post("/files")
    async def files(
        note: Annotated[str, Form()],
        file: UploadFile,
        more: Annotated[list[UploadFile], File()],
        extra: UploadFile | None = None,
    ) -> dict[str, Any]:
        return {
            "note": note,
            "file": [file.filename, (await file.read()).decode()],
            "more": [(await one.read()).decode() for one in more],
            "extra": None if extra is None else (await extra.read()).decode(),
        }

    return app


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[str, str]]:
    app = _shop()
    with serving_app(app) as url:
        yield url, json.dumps(app.openapi())


def _load(folder: Path, shop: tuple[str, str], **config: object) -> ActionSet:
    url, text = shop
    settings = {"document": write(folder, text), "server": url, **config}
    return ActionSet.load(
        [ActionConfig.model_validate(settings)],
        root=folder,
        grants=NetworkGrants.parse([url.removeprefix("http://")]),
        secrets=Secrets.none(),
        persona=PersonaId("clerk"),
        clock=lambda: _NOON,
    ).for_caller(PrincipalId("key:ann"))


def _call(actions: ActionSet, name: str, arguments: JsonObject) -> ActionResult:
    return anyio.run(actions.call, name, actions.validate(name, json.dumps(arguments)))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "item_items__item_id__get",
            {"item_id": 7, "tags": ["a b", "c&d=e"], "colour": "blue", "x-trace": "t-1", "session": "s/1+="},
            {"item_id": 7, "tags": ["a b", "c&d=e"], "colour": "blue", "x_trace": "t-1", "session": "s/1+="},
        ),
        (
            "item_items__item_id__get",
            {"item_id": 7},
            {"item_id": 7, "tags": None, "colour": "red", "x_trace": None, "session": None},
        ),
        (
            "tree_trees_post",
            {"account": "7&x=y", "name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]},
            {
                "account": "7&x=y",
                "node": {
                    "name": "a",
                    "children": [{"name": "b", "children": [{"name": "c", "children": []}]}],
                },
            },
        ),
        (
            "order_orders__order_id__put",
            {
                "order_id": "7 b",
                "order": {
                    "note": None,
                    "place": [1.5, 2],
                    "amounts": {"pears": 2, "figs": None},
                    "reference": "A-1",
                    "due": "2026-11-30",
                    "pay": {"kind": "invoice", "address": None},
                    "parent": {"name": "a"},
                },
                "urgent": None,
            },
            {
                "order_id": "7 b",
                "order": {
                    "note": None,
                    "place": [1.5, 2.0],
                    "amounts": {"pears": 2, "figs": None},
                    "reference": "A-1",
                    "due": "2026-11-30",
                    "pay": {"kind": "invoice", "address": None},
                    "parent": {"name": "a", "children": []},
                },
                "urgent": None,
            },
        ),
        (
            "order_orders__order_id__put",
            {"order_id": "7", "order": {"reference": 12, "pay": {"kind": "card", "number": "4"}}, "urgent": True},
            {
                "order_id": "7",
                "order": {
                    "note": None,
                    "place": None,
                    "amounts": {},
                    "reference": 12,
                    "due": None,
                    "pay": {"kind": "card", "number": "4"},
                    "parent": None,
                },
                "urgent": True,
            },
        ),
        (
            "form_forms_post",
            {"name": "Ann & Bo", "amount": 1.5, "tags": ["x", "y"]},
            {"name": "Ann & Bo", "amount": 1.5, "tags": ["x", "y"]},
        ),
        (
            "files_files_post",
            {"note": "n", "file": "line 1\nline 2", "more": ["ä", ""]},
            {"note": "n", "file": ["file.txt", "line 1\nline 2"], "more": ["ä", ""], "extra": None},
        ),
        (
            "files_files_post",
            {"note": "n", "file": "x", "more": ["y"], "extra": "z"},
            {"note": "n", "file": ["file.txt", "x"], "more": ["y"], "extra": "z"},
        ),
    ],
)
def test_a_call_arrives_as_the_application_declared_it(
    tmp_path: Path, shop: tuple[str, str], name: str, arguments: JsonObject, expected: JsonObject
) -> None:
    actions = _load(tmp_path, shop)

    result = _call(actions, name, arguments)

    assert (result.status, json.loads(result.text)) == (200, expected)


def test_all_that_fastapi_writes_is_offered(tmp_path: Path, shop: tuple[str, str]) -> None:
    actions = _load(tmp_path, shop)

    assert len(actions.operations) == 5
    assert actions.skipped == ()


def test_what_fastapi_writes_has_the_forms_on_which_importers_break(shop: tuple[str, str]) -> None:
    """So that the round trips show what they are meant to show, whatever a later FastAPI writes."""
    document = json.loads(shop[1])
    schemas = document["components"]["schemas"]
    bodies = [
        one
        for path in document["paths"].values()
        for method in path.values()
        if (one := method.get("requestBody"))
    ]

    assert document["openapi"].startswith("3.1")
    assert "servers" not in document
    assert schemas["ValidationError"]["properties"]["loc"]["items"] == {
        "anyOf": [{"type": "string"}, {"type": "integer"}]
    }
    assert schemas["Order"]["properties"]["note"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert "discriminator" in schemas["Order"]["properties"]["pay"]
    assert {kind for one in bodies for kind in one["content"]} == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"reference": 1.5, "pay": {"kind": "card", "number": "4"}}, "`order.reference`"),
        ({"reference": 1, "pay": {"kind": "barter", "number": "4"}}, "`order.pay.kind`"),
        ({"reference": 1, "pay": {"kind": "card", "number": "4"}, "note": 7}, "`order.note`"),
    ],
)
def test_what_fits_none_of_several_forms_is_refused_before_it_is_sent(
    tmp_path: Path, shop: tuple[str, str], order: JsonObject, message: str
) -> None:
    actions = _load(tmp_path, shop)

    with pytest.raises(ArgumentsInvalid, match=message):
        actions.validate("order_orders__order_id__put", json.dumps({"order_id": "7", "order": order}))


def test_a_recursive_body_is_checked_below_the_level_that_is_decoded(
    tmp_path: Path, shop: tuple[str, str]
) -> None:
    actions = _load(tmp_path, shop)
    node: JsonObject = {"name": "leaf", "children": "none"}
    for number in range(6):
        node = {"name": f"n{number}", "children": [node]}

    with pytest.raises(ArgumentsInvalid, match=r"`children\.0.*children` must be of type array"):
        actions.validate("tree_trees_post", json.dumps({"account": "7", **node}))
    assert actions.get("tree_trees_post").notes == (
        "what lies deep in 'Node' is decoded freely, and checked whole afterwards",
    )


_FIXED = {"id": "tree_trees_post", "fixed": {"account": "{principal.id}/{persona.id}/{today}", "name": "{{root}}"}}


def test_templates_take_up_who_calls_and_when_and_stay_one_value(tmp_path: Path, shop: tuple[str, str]) -> None:
    actions = _load(tmp_path, shop, operations=[_FIXED])

    result = _call(actions.for_caller(PrincipalId("key:a&account=b")), "tree_trees_post", {})

    assert json.loads(result.text) == {
        "account": "key:a&account=b/clerk/2026-11-28",
        "node": {"name": "{root}", "children": []},
    }


def test_the_model_neither_sees_nor_sets_a_fixed_argument(tmp_path: Path, shop: tuple[str, str]) -> None:
    actions = _load(tmp_path, shop, operations=[_FIXED])

    assert list(actions.get("tree_trees_post").parameters["properties"]) == ["children"]  # type: ignore[arg-type]
    with pytest.raises(ArgumentsInvalid, match="`account` must be left out"):
        actions.validate("tree_trees_post", '{"account": "mine"}')


def test_the_effect_shows_what_the_persona_adds(tmp_path: Path, shop: tuple[str, str]) -> None:
    actions = _load(tmp_path, shop, operations=[_FIXED])

    effect = actions.effect("tree_trees_post", {})

    assert effect == f'POST {shop[0]}/trees?account=key%3Aann%2Fclerk%2F2026-11-28 with {{"name": "{{root}}"}}'


def test_a_caller_whose_id_would_climb_is_refused(tmp_path: Path, shop: tuple[str, str]) -> None:
    config = {"id": "item_items__item_id__get", "fixed": {"item_id": "{principal.id}"}}
    with pytest.raises(ArgumentsInvalid, match=r"`item_id` cannot be '\.\./admin'"):
        _load(tmp_path, shop, operations=[config]).for_caller(PrincipalId("../admin")).effect(
            "item_items__item_id__get", {}
        )


def test_the_model_sees_the_picked_part_alone(tmp_path: Path, shop: tuple[str, str]) -> None:
    chosen = {"id": "item_items__item_id__get", "respond": "{id: item_id, colour: colour}"}
    actions = _load(tmp_path, shop, operations=[chosen])

    result = _call(actions, "item_items__item_id__get", {"item_id": 7, "session": "private"})

    assert (result.ok, json.loads(result.text)) == (True, {"id": 7, "colour": "red"})


@pytest.mark.parametrize("template", ["{principal}", "{principal.id", "{today}}", "{persona.id!r}", "{}"])
def test_what_is_no_template_is_refused_with_the_persona(template: str) -> None:
    with pytest.raises(ValueError, match=r"is no template; known are {principal\.id}, {persona\.id}, {today}"):
        ActionConfig.model_validate({"document": "x", "operations": [{"id": "x", "fixed": {"a": [template]}}]})
