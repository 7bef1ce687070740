"""Persona files: errors with file, line and field; hot reload that never serves half a set."""

import json
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions import ActionConfig, ActionSet, Documents, NetworkGrants, Pins, Secrets
from core.ids import PersonaId
from core.principal import Principal
from core.yaml_source import SourceError, parse
from server.personas.library import PersonaLibrary
from server.personas.loader import Persona, load_file, load_folder, revision_of
from server.personas.schema import PersonaSpec
from tests.actions.documents import document, operation
from tests.server.conftest import PLAIN, Gateway, Start

REPOSITORY = Path(__file__).resolve().parents[2]


def _actions(spec: PersonaSpec) -> ActionSet:
    grants = NetworkGrants.parse(())
    return ActionSet.load(
        spec.actions, root=REPOSITORY, grants=grants, secrets=Secrets.none(), persona=PersonaId(spec.id)
    )


def _problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "one.yaml"
    path.write_text(text)
    loaded = load_file(path, _actions)
    return [] if isinstance(loaded, Persona) else [str(problem) for problem in loaded]


@pytest.mark.parametrize(
    ("text", "start", "contains"),
    [
        (PLAIN + "adaptor: x\n", "one.yaml:4: adaptor: unknown field", "Known here: id, name"),
        (PLAIN + "model:\n  adapterr: x\n", "one.yaml:5: model.adapterr: ", "did you mean 'adapter'?"),
        ("id: a\nname: A\n", "one.yaml:1: instructions: missing", "write `instructions: …`"),
        (PLAIN + "retrieval:\n  top_k: 99\n", "one.yaml:5: retrieval.top_k: ", "less than or equal to 20, not 99"),
        (PLAIN + "retrieval:\n  when_unavailable: maybe\n", "one.yaml:5: ", "'answer' or 'refuse'"),
        (PLAIN + "knowledge:\n  paths: [../../etc]\n", "one.yaml:5: knowledge.paths: ", "inside the checkout"),
        (PLAIN + "id: again\n", "one.yaml:4: id: given twice, first in line 1", "keep one"),
        ("id: &x a\nname: *x\n", "one.yaml:1: anchors", "write the value out"),
        ("id: [\n", "one.yaml:2: no valid YAML", ""),
        ("- a\n", "one.yaml:1: must be a mapping", "id: my-persona"),
        ("", "one.yaml:1: the file is empty", "write its fields"),
        (PLAIN + "description: !!python/object:os.system x\n", "one.yaml:4: no valid YAML", ""),
        (PLAIN + "actions:\n  - document: none.yaml\n", "one.yaml:4: actions: ", "none.yaml"),
        (
            PLAIN + "actions:\n  - mcp: a\n    serve: x\n",
            "one.yaml:6: actions[0].serve: ",
            "Known here: mcp, operations",
        ),
        (PLAIN + "actions:\n  - document: a\n    serve: x\n", "one.yaml:6: actions[0].serve: ", "mean 'server'?"),
        (PLAIN + "actions:\n  - mcp: a\n", "one.yaml:4: actions: ", "There is no MCP server 'a'"),
        (PLAIN.replace("id: plain", "id: Plain Talk"), "one.yaml:1: id: ", "'Plain Talk'"),
    ],
)
def test_a_problem_names_file_line_and_field_and_what_to_write(
    tmp_path: Path, text: str, start: str, contains: str
) -> None:
    (problem,) = _problems(tmp_path, text)
    assert problem.startswith(start)
    assert contains in problem


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    assert len(_problems(tmp_path, "id: a\nnam: A\nretrieval: {top_k: 0, floor: 7}\n")) == 5


def test_two_files_cannot_share_an_id(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PLAIN)
    (tmp_path / "b.yaml").write_text("# second\n" + PLAIN)
    loaded = load_folder(tmp_path, _actions)
    assert [str(one) for one in loaded.problems] == ["b.yaml:2: id: 'plain' is taken by a.yaml; choose another id"]


def test_a_deep_or_large_file_is_refused(tmp_path: Path) -> None:
    assert "levels deep" in _problems(tmp_path, "a: " + "[" * 1000)[0]
    assert "bytes" in _problems(tmp_path, "#" * 300_000)[0]


@given(st.text(max_size=60) | st.text(alphabet="a: -[]{}&*!|>\n'\"#?,<", max_size=40))
def test_any_text_is_parsed_or_refused_with_a_line(text: str) -> None:
    refusals = []
    try:
        parse(text.encode("utf-8", "surrogatepass"))
    except SourceError as error:
        refusals.append(error)
    assert all(error.line >= 1 and error.message for error in refusals)


def test_the_revision_follows_the_content_and_not_the_layout() -> None:
    first = PersonaSpec(id="a", name="A", instructions="Do.")
    same = PersonaSpec(id="a", name="A", instructions="  Do.\n")
    other = PersonaSpec(id="a", name="A", instructions="Do not.")
    assert revision_of(first) == revision_of(same) != revision_of(other)


def test_the_schema_describes_every_field() -> None:
    schema = json.loads(json.dumps(PersonaSpec.model_json_schema()))
    assert schema["additionalProperties"] is False
    for model in [schema, *schema["$defs"].values()]:
        assert all("description" in field or "$ref" in field for field in model.get("properties", {}).values())


def test_the_demo_personas_are_good() -> None:
    loaded = load_folder(REPOSITORY / "personas", _actions)
    assert loaded.problems == ()
    assert {"compliance-guide", "scrum-coach", "support-agent"} <= set(loaded.personas)


@pytest.mark.anyio
async def test_a_changed_file_serves_within_two_seconds(gateway: Gateway) -> None:
    waits: list[float] = []
    for number in range(5):  # the quickest counts: a busy machine only adds to it
        (gateway.personas_dir / "plain.yaml").write_text(PLAIN.replace("plain.", f"new {number}."))
        written = anyio.current_time()
        with anyio.fail_after(60):
            while (
                gateway.services.personas.get("plain", _anyone(gateway)).spec.instructions
                != f"You are new {number}."
            ):
                await anyio.sleep(0.01)
        waits.append(anyio.current_time() - written)
        if waits[-1] <= 2:
            return
    pytest.fail(f"a changed file served after {waits} s")


@pytest.mark.anyio
async def test_a_broken_file_keeps_the_last_good_set_and_is_shown(gateway: Gateway) -> None:
    (gateway.personas_dir / "tuned.yaml").write_text("id: tuned\nname: Tuned\n")
    (gateway.personas_dir / "plain.yaml").write_text(PLAIN.replace("plain.", "new."))
    gateway.services.personas.reload()
    async with gateway.admin() as admin:
        shown = (await admin.get("/api/personas")).json()
    assert [one["id"] for one in shown["data"]] == ["librarian", "plain", "tuned"]
    assert shown["problems"][0]["file"] == "tuned.yaml"
    assert shown["problems"][0]["field"] == "instructions"
    await gateway.ask("plain", "Hi")
    assert gateway.engine.requests[0]["messages"][0]["content"] == "You are plain."
    (gateway.personas_dir / "tuned.yaml").unlink()
    gateway.services.personas.reload()
    assert [one.id for one in gateway.services.personas.personas] == ["librarian", "plain"]
    assert gateway.services.personas.problems == ()


def _anyone(gateway: Gateway) -> Principal:
    return gateway.services.gate.identify(None, key_needed=False)


_URL = "https://api.example/openapi.json"
_REMOTE = f"{PLAIN}actions:\n  - document: {_URL}\n"


def _pinned(folder: Path) -> Pins:
    """Return pins by which `_URL` has one operation, and offers two."""
    texts = [
        json.dumps(document({f"/{name}": {"get": operation(operationId=name)} for name in names}))
        for names in ("a", "ab")
    ]
    pins = Pins(folder)
    pins.offer(pins.accept(_URL, texts[0]), texts[1])
    return pins


def test_an_accepted_document_serves_without_a_restart(tmp_path: Path) -> None:
    personas, pins = tmp_path / "personas", _pinned(tmp_path / "documents")
    personas.mkdir()
    (personas / "plain.yaml").write_text(_REMOTE)
    documents = Documents(tmp_path, pins)

    def load(spec: PersonaSpec) -> ActionSet:
        return ActionSet.load(
            spec.actions,
            root=tmp_path,
            grants=NetworkGrants.parse(()),
            secrets=Secrets.none(),
            persona=PersonaId(spec.id),
            documents=documents,
            resolver=_nowhere,
        )

    library = PersonaLibrary(personas, load, lambda: 0.0, pins=pins.folder)
    config = library.personas[0].spec.actions[0]
    assert isinstance(config, ActionConfig)
    assert [one.name for one in library.personas[0].actions.operations] == ["a"]
    offer = documents.offered(config)
    assert offer is not None

    documents.accept(offer)

    assert library.reload()
    assert [one.name for one in library.personas[0].actions.operations] == ["a", "b"]


async def _nowhere(host: str, port: int) -> list[str]:
    raise OSError(f"{host} is not known")


@pytest.mark.anyio
async def test_administrators_are_asked_about_a_changed_document(start: Start, tmp_path: Path) -> None:
    _pinned(tmp_path / "data" / "documents")
    async with start({"plain": _REMOTE}, data_dir=tmp_path / "data") as gateway, gateway.admin() as admin:
        body = (await admin.get("/api/personas")).json()

    assert [one["persona"] for one in body["notices"]] == ["plain"]
    assert "`repertory action accept PERSONA`" in body["notices"][0]["message"]
    (shown,) = (one for one in body["data"] if one["id"] == "plain")
    assert [one["name"] for one in shown["actions"]] == ["a"]
