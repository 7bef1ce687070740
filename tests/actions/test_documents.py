"""Documents in, operations out; and what is said about those that cannot be used."""

import json
from pathlib import Path

import pytest

from actions import DocumentInvalid, Operation, SkippedOperation
from actions.config import ActionConfig, OperationChoice
from actions.document import Document, parse_document, read_file
from actions.importer import read_operations
from actions.json_value import JsonObject, JsonValue
from tests.actions.documents import CRM, body, document, operation, parameter, write

_SEARCH = "post-/crm/v3/objects/contacts/search_doSearch"
_UPDATE = "patch-/crm/v3/objects/contacts/{contactId}_update"
_ARCHIVE = "delete-/crm/v3/objects/contacts/{contactId}_archive"


def _read(
    folder: Path, content: JsonObject | str, **config: object
) -> tuple[tuple[Operation, ...], tuple[SkippedOperation, ...]]:
    name = write(folder, content, "api.yaml")
    settings = ActionConfig.model_validate({"document": name, **config})
    return read_operations(Document(name, parse_document(read_file(name, folder), name)), settings)


def test_hostile_operation_ids_become_legal_unique_names(tmp_path: Path) -> None:
    operations, _ = _read(tmp_path, CRM)

    assert [one.name for one in operations] == [
        "post_crm_v3_objects_contacts_search_doSearch",
        "get_crm_v3_objects_contacts_contactId_getById",
        "patch_crm_v3_objects_contacts_contactId_update",
        "delete_crm_v3_objects_contacts_contactId_archive",
    ]
    assert operations[0].title == "post-/crm/v3/objects/contacts/search_doSearch"


def test_a_missing_operation_id_is_made_of_method_and_path(tmp_path: Path) -> None:
    paths: JsonObject = {"/a/{id}": {"get": operation(parameters=[parameter("id", "path")])}}
    operations, _ = _read(tmp_path, document(paths))

    assert operations[0].name == "GET_a_id"
    assert operations[0].title == "GET /a/{id}"


@pytest.mark.parametrize(
    ("method", "stated", "overlay", "expected"),
    [
        ("get", None, None, False),
        ("post", None, None, True),
        ("delete", None, None, True),
        ("post", False, None, True),
        ("delete", False, None, True),
        ("get", False, None, False),
        ("post", False, False, False),
        ("get", True, None, True),
        ("get", None, True, True),
        ("post", True, False, False),
    ],
)
def test_a_document_can_only_make_an_operation_stricter_and_the_overlay_alone_loosens(
    tmp_path: Path, method: str, stated: bool | None, overlay: bool | None, expected: bool
) -> None:
    extra: JsonObject = {} if stated is None else {"x-openai-isConsequential": stated}
    content = document({"/x": {method: operation(operationId="act", **extra)}})

    operations, _ = _read(tmp_path, content, operations=[{"id": "act", "consequential": overlay}])

    assert operations[0].consequential is expected


@pytest.mark.parametrize(
    ("stated", "overlay", "expected"),
    [(None, None, False), (False, None, False), (True, None, True), (None, True, True)],
)
def test_what_only_reads_by_the_operators_word_is_taken_for_reading(
    tmp_path: Path, stated: bool | None, overlay: bool | None, expected: bool
) -> None:
    extra: JsonObject = {} if stated is None else {"x-openai-isConsequential": stated}
    content = document({"/x": {"post": operation(operationId="act", **extra)}})
    choice = {"id": "act", "read_only": True, "consequential": overlay}

    operations, _ = _read(tmp_path, content, operations=[choice])

    assert operations[0].consequential is expected
    assert operations[0].judged is (overlay is not None)  # else what it carries is looked at, as with GET


def test_the_overlay_chooses_names_and_describes(tmp_path: Path) -> None:
    choice = OperationChoice(
        id="post-/crm/v3/objects/contacts/search_doSearch", name="find", description="Find people."
    )
    operations, _ = _read(tmp_path, CRM, operations=[choice, "DELETE /crm/v3/objects/contacts/{contactId}"])

    assert [(one.name, one.method) for one in operations] == [
        ("find", "POST"),
        ("delete_crm_v3_objects_contacts_contactId_archive", "DELETE"),
    ]
    assert operations[0].description == "Find people."


def test_an_unknown_operation_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    content = document({"/x": {"get": operation(operationId="known")}})

    with pytest.raises(DocumentInvalid, match=r"'api.yaml' has no operation 'typo'. It has: known"):
        _read(tmp_path, content, operations=["typo"])


def test_denied_operations_are_never_offered(tmp_path: Path) -> None:
    operations, skipped = _read(tmp_path, CRM, deny=["DELETE *", "PATCH /crm/v3/objects/contacts/{contactId}"])

    assert [one.method for one in operations] == ["POST", "GET"]
    assert [(one.reason, one.denied) for one in skipped] == [("the persona denies it", True)] * 2
    with pytest.raises(DocumentInvalid, match="has no operation 'delete_contact'"):
        _read(tmp_path, CRM, deny=["delete_contact"])


def test_what_is_chosen_and_denied_is_denied(tmp_path: Path) -> None:
    operations, _ = _read(tmp_path, CRM, operations=[_UPDATE, _ARCHIVE], deny=[_ARCHIVE])

    assert [one.method for one in operations] == ["PATCH"]


def test_a_fixed_argument_is_hidden_from_the_model_and_may_only_be_one_that_fits(tmp_path: Path) -> None:
    operations, _ = _read(tmp_path, CRM, operations=[{"id": _SEARCH, "fixed": {"limit": 5}}])

    assert list(operations[0].parameters["properties"]) == ["query", "filterGroups"]  # type: ignore[arg-type]
    assert operations[0].parameters["required"] == ["filterGroups"]
    with pytest.raises(
        DocumentInvalid, match=r"has no argument 'limits' to fix. It has: query, limit, filterGroups"
    ):
        _read(tmp_path, CRM, operations=[{"id": _SEARCH, "fixed": {"limits": 5}}])
    with pytest.raises(DocumentInvalid, match="cannot have 'limit' fixed so: 'many' is not of type 'integer'"):
        _read(tmp_path, CRM, operations=[{"id": _SEARCH, "fixed": {"limit": "many"}}])


def test_descriptions_are_one_line_of_at_most_300_and_700_characters(tmp_path: Path) -> None:
    paths: JsonObject = {
        "/x": {
            "get": operation(
                operationId="x",
                description="many\nwords " * 100,
                parameters=[parameter("q", "query", description="long words " * 100)],
            )
        }
    }
    operations, _ = _read(tmp_path, document(paths))

    properties = operations[0].parameters["properties"]
    assert isinstance(properties, dict)
    assert 280 < len(operations[0].description) <= 300
    assert "\n" not in operations[0].description
    text = properties["q"]["description"]  # type: ignore[call-overload,index]  # the shape is asserted by use
    assert 680 < len(str(text)) <= 700


def test_every_parameter_place_is_one_flat_argument(tmp_path: Path) -> None:
    operations, _ = _read(tmp_path, CRM)

    by_id = operations[1].parameters
    assert by_id["required"] == ["contactId"]
    assert list(by_id["properties"]) == ["contactId", "properties", "associations", "X-Trace", "filter"]  # type: ignore[arg-type]


def test_a_required_part_that_cannot_be_mapped_skips_the_operation_with_a_reason(tmp_path: Path) -> None:
    picture: JsonObject = {
        "type": "object",
        "required": ["p"],
        "properties": {"p": {"type": "string", "format": "binary"}},
    }
    form: JsonObject = {
        "required": True,
        "content": {"multipart/form-data": {"schema": picture, "encoding": {"p": {"contentType": "image/png"}}}},
    }
    table: JsonObject = {"name": "f", "in": "header", "required": True, "content": {"text/csv": {"schema": {}}}}
    paths: JsonObject = {
        "/picture": {"post": operation(operationId="picture", requestBody=form)},
        "/bytes": {"post": operation(operationId="bytes", requestBody=body({}, media_type="image/png"))},
        "/list": {
            "post": operation(
                operationId="list", requestBody=body({"type": "array"}, media_type="multipart/form-data")
            )
        },
        "/style": {"get": operation(operationId="style", parameters=[table])},
        "/open/{a}": {"get": operation(operationId="open")},
        "/fine": {"get": operation(operationId="fine", parameters=[parameter("a b", "header")])},
    }
    operations, skipped = _read(tmp_path, document(paths))

    assert [one.name for one in operations] == ["fine"]
    assert operations[0].notes == ("left out: its parameter 'a b' has a name that no header can have",)
    assert {one.title: one.reason for one in skipped} == {
        "picture": "its field 'p' is a file of the type 'image/png', and only text can be written",
        "bytes": "its body is 'image/png', and only JSON, forms and text can be written",
        "list": "its body is a form, and its schema is no object",
        "style": "its parameter 'f' is written as 'text/csv', and only JSON can be",
        "open": "its path has 'a', which no parameter describes",
    }
    with pytest.raises(DocumentInvalid, match=r"'list' of 'api.yaml' cannot be offered"):
        _read(tmp_path, document(paths), operations=["list"])


def test_one_operation_with_a_broken_schema_is_skipped_alone(tmp_path: Path) -> None:
    wrong: JsonObject = {"type": "object", "properties": {"a": {"type": "strnig"}}}
    paths: JsonObject = {
        "/wrong": {"post": operation(operationId="wrong", requestBody=body(wrong))},
        "/right": {"get": operation(operationId="right")},
    }

    operations, skipped = _read(tmp_path, document(paths))

    assert [one.name for one in operations] == ["right"]
    assert skipped[0].title == "wrong"
    assert "at properties/a/type" in skipped[0].reason


@pytest.mark.parametrize(
    ("schema", "required", "arguments"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, True, ["a"]),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False, ["body"]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, True, ["body"]),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, True, ["body"]),
        ({"oneOf": [{"type": "object", "properties": {"a": {}}}, {"type": "string"}]}, True, ["body"]),
        ({"type": "object", "nullable": True, "properties": {"a": {}}}, True, ["body"]),
        ({"type": "array", "items": {"type": "string"}}, True, ["body"]),
    ],
)
def test_a_body_is_flat_only_where_that_says_the_same(
    tmp_path: Path, schema: JsonObject, required: bool, arguments: list[str]
) -> None:
    content = document({"/x": {"post": operation(operationId="x", requestBody=body(schema, required=required))}})
    operations, _ = _read(tmp_path, content)

    assert [one.argument for one in operations[0].bindings] == arguments


def test_a_json_parameter_is_offered_and_an_optional_form_is_left_out(tmp_path: Path) -> None:
    media: JsonObject = {"application/json": {"schema": {"type": "object"}}}
    paths: JsonObject = {
        "/x": {
            "post": operation(
                operationId="x",
                parameters=[{"name": "filter", "in": "query", "content": media}],
                requestBody=body({}, media_type="image/png", required=False),
            )
        }
    }
    operations, _ = _read(tmp_path, document(paths))

    assert [(one.argument, one.style) for one in operations[0].bindings] == [("filter", "json")]
    assert operations[0].media_type is None


def test_an_id_that_means_two_operations_asks_for_method_and_path(tmp_path: Path) -> None:
    paths: JsonObject = {"/a": {"get": operation(operationId="x")}, "/b": {"get": operation(operationId="x")}}

    both, _ = _read(tmp_path, document(paths))
    one, _ = _read(tmp_path, document(paths), operations=["GET /b"])

    assert len({operation.name for operation in both}) == 2
    assert [operation.path for operation in one] == ["/b"]
    with pytest.raises(DocumentInvalid, match=r"'x' means 2 operations of 'api.yaml': GET /a, GET /b"):
        _read(tmp_path, document(paths), operations=["x"])


def test_two_parameters_of_one_name_stay_apart(tmp_path: Path) -> None:
    paths: JsonObject = {
        "/x/{id}": {
            "get": operation(operationId="x", parameters=[parameter("id", "path"), parameter("id", "query")])
        }
    }
    operations, _ = _read(tmp_path, document(paths))

    assert [(one.argument, one.place, one.name) for one in operations[0].bindings] == [
        ("id", "path", "id"),
        ("id_2", "query", "id"),
    ]


def test_a_document_as_fastapi_writes_it_can_be_used(tmp_path: Path) -> None:
    from examples.tickets.app import create_app
    from examples.tickets.store import TicketStore

    store = TicketStore(tmp_path / "tickets.db")
    try:
        content = create_app(store).openapi()
    finally:
        store.close()

    operations, _ = _read(tmp_path, json.dumps(content), server="http://127.0.0.1:8100")

    assert content["openapi"].startswith("3.1")
    assert [one.name for one in operations] == ["search_tickets", "create_ticket", "get_ticket"]


def test_the_innermost_server_counts_and_its_variables_are_filled(tmp_path: Path) -> None:
    server: JsonObject = {"url": "https://{area}.example/v2/", "variables": {"area": {"default": "eu"}}}
    paths: JsonObject = {
        "/x": {"get": operation(operationId="x", servers=[server])},
        "/y": {"get": operation(operationId="y")},
    }
    operations, _ = _read(tmp_path, document(paths))

    assert [one.server for one in operations] == ["https://eu.example/v2", "https://api.example"]


_SERVERS: list[JsonValue] = [
    {"url": "https://api.example/{version}", "variables": {"version": {"default": "v1"}}},
    {
        "url": "https://{region}.api.example:{port}",
        "description": "by region",
        "variables": {"region": {"default": "us", "enum": ["us", "eu"]}, "port": {"default": "443"}},
    },
]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (None, "https://api.example/v1"),
        ({"variables": {"version": "v2/beta"}}, "https://api.example/v2/beta"),
        ({"choose": "by region"}, "https://us.api.example:443"),
        (
            {"choose": "https://{region}.api.example:{port}", "variables": {"region": "eu", "port": "8443"}},
            "https://eu.api.example:8443",
        ),
    ],
)
def test_the_persona_chooses_a_server_and_fills_its_variables(
    tmp_path: Path, server: JsonValue, expected: str
) -> None:
    content = document({"/x": {"get": operation(operationId="x")}}, servers=_SERVERS)

    operations, _ = _read(tmp_path, content, server=server)

    assert [one.server for one in operations] == [expected]


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"choose": "elsewhere"}, "has no server 'elsewhere'. It has: 'https://api.example/{version}'"),
        ({"choose": "by region", "variables": {"region": "cn"}}, "'region' only us, eu, not 'cn'"),
        ({"variables": {"version": "v1@evil.example/"}}, "cannot be 'v1@evil.example/'"),
        ({"variables": {"version": "../x?y"}}, "cannot be '../x\\?y'"),
        ({"variables": {"regoin": "eu"}}, "has no variable 'regoin'. It has: version"),
    ],
)
def test_a_server_or_variable_that_does_not_fit_is_refused(
    tmp_path: Path, server: JsonValue, message: str
) -> None:
    content = document({"/x": {"get": operation(operationId="x")}}, servers=_SERVERS)

    with pytest.raises(DocumentInvalid, match=message):
        _read(tmp_path, content, server=server)


def test_a_server_whose_variable_nobody_describes_is_refused(tmp_path: Path) -> None:
    content = document({"/x": {"get": operation(operationId="x")}}, servers=[{"url": "https://{tenant}.example"}])

    with pytest.raises(DocumentInvalid, match="which leaves a variable open"):
        _read(tmp_path, content)


@pytest.mark.parametrize(
    "url",
    [
        "/relative",
        "ftp://x.example",
        "https://user@x.example",
        "https://x.example\\@y.example",
        "https://x.example?a=b",
    ],
)
def test_a_server_that_is_no_plain_url_is_refused(tmp_path: Path, url: str) -> None:
    content = document({"/x": {"get": operation(operationId="x")}})

    with pytest.raises(DocumentInvalid, match="gives the server"):
        _read(tmp_path, content, server=url)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "'api.yaml' is neither JSON nor YAML"),
        ("a: [", "'api.yaml' is neither JSON nor YAML"),
        ("- 1", "'api.yaml' is not an object"),
        ("swagger: '2.0'", "says swagger '2.0'. Convert it to OpenAPI 3.0 or 3.1"),
        ("openapi: 3.2.0", "says openapi '3.2.0'. Convert it"),
        ("!!python/object/apply:os.getcwd []", "'api.yaml' is neither JSON nor YAML"),
        (
            json.dumps(document({"/x": {"get": operation(operationId="x", parameters=[{"in": "query"}])}})),
            'not valid OpenAPI 3.1.0: At GET /x, parameters/0: "name" is a required property',
        ),
        (
            json.dumps(document({"/x": {"get": {"operationId": "x", "responses": {"200": 5}}}}, version="3.0.3")),
            "not valid OpenAPI 3.0.3: At GET /x, responses/200",
        ),
        (
            json.dumps(document({"/x": {"$ref": "https://evil.example/x.json"}})),
            "refers to 'https://evil.example/x.json' outside of itself",
        ),
        (
            json.dumps(document({"/x": {"$ref": "../../etc/passwd"}})),
            "refers to '../../etc/passwd' outside of itself",
        ),
        (
            json.dumps(document({"/x": {"$ref": "#/components/pathItems/none"}})),
            "the reference '#/components/pathItems/none' points at nothing",
        ),
        (
            json.dumps(document({}, components={"A": {"$ref": "#/components/schemas/A"}})),
            "references lead to each other without end",
        ),
        ("a: " + "[" * 200 + "]" * 200, "has more than"),
    ],
)
def test_an_unusable_document_is_named_with_the_place(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DocumentInvalid, match=message):
        _read(tmp_path, content)


def test_aliases_that_multiply_are_counted_each_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(DocumentInvalid, match="has more than"):
        _read(tmp_path, "\n".join(lines))


def test_a_document_outside_of_the_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    write(tmp_path, document({}))

    with pytest.raises(DocumentInvalid, match="lies outside"):
        read_file("../api.json", tmp_path / "inside")


def test_dates_and_numeric_keys_of_yaml_stay_what_was_written(tmp_path: Path) -> None:
    content = CRM.replace("version: v3", "version: 2026-09-01").replace("'204'", "204")
    assert parse_document(content, "api")["info"] == {"title": "Contacts", "version": "2026-09-01"}
