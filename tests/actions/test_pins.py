"""Documents from URLs: fetched once, pinned, and changed only when the operator says so."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actions import ActionConfig, DocumentInvalid, Documents, Pins
from actions.json_value import JsonObject
from actions.pins import hash_of
from tests.actions.documents import body, document, operation, parameter

URL = "https://api.example/openapi.json"
CONFIG = ActionConfig(document=URL)


def _text(*names: str) -> str:
    return json.dumps(document({f"/{name}": {"get": operation(operationId=name)} for name in names}))


@dataclass(slots=True)
class Web:
    """What the URL holds now; None: it is away."""

    holds: str | None
    fetched: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> str:
        self.fetched.append(url)
        if self.holds is None:
            raise DocumentInvalid("It cannot be fetched.")
        return self.holds


@pytest.fixture
def web() -> Web:
    return Web(_text("a"))


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "documents")


def _server(tmp_path: Path, pins: Pins) -> Documents:
    """Return the documents of a server that starts now."""
    return Documents(tmp_path, pins)


def _names(documents: Documents, web: Web, config: ActionConfig = CONFIG) -> list[str]:
    return [one.name for one in documents.load(config, web.fetch).operations]


def test_a_url_is_fetched_once_in_the_life_of_a_server(tmp_path: Path, pins: Pins, web: Web) -> None:
    documents = _server(tmp_path, pins)

    assert [_names(documents, web) for _ in range(3)] == [["a"]] * 3
    assert web.fetched == [URL]


def test_the_accepted_copy_serves_while_its_host_is_away(tmp_path: Path, pins: Pins, web: Web) -> None:
    _names(_server(tmp_path, pins), web)
    web.holds = None

    imported = _server(tmp_path, pins).load(CONFIG, web.fetch)

    assert [one.name for one in imported.operations] == ["a"]
    assert imported.notices == []


def test_a_changed_document_waits_for_the_operator_and_the_accepted_one_serves(
    tmp_path: Path, pins: Pins, web: Web
) -> None:
    _names(_server(tmp_path, pins), web)
    web.holds = _text("a", "b")
    documents = _server(tmp_path, pins)

    imported = documents.load(CONFIG, web.fetch)

    assert [one.name for one in imported.operations] == ["a"]
    assert "`repertory action accept PERSONA`" in imported.notices[0]
    offer = documents.offered(CONFIG)
    assert offer is not None
    assert offer.differences == ["new: b (GET /b)"]
    documents.accept(offer)
    assert (_names(documents, web), documents.offered(CONFIG)) == (["a", "b"], None)
    assert _server(tmp_path, pins).load(CONFIG, web.fetch).notices == []


def test_what_was_looked_at_is_what_is_accepted_though_the_url_changes_once_more(
    tmp_path: Path, pins: Pins, web: Web
) -> None:
    _names(_server(tmp_path, pins), web)
    web.holds = _text("a", "b")
    documents = _server(tmp_path, pins)
    documents.load(CONFIG, web.fetch)
    offer = documents.offered(CONFIG)
    web.holds = _text("evil")

    assert offer is not None
    documents.accept(offer)

    assert _names(_server(tmp_path, pins), web) == ["a", "b"]


def test_a_change_that_is_taken_back_asks_nobody(tmp_path: Path, pins: Pins, web: Web) -> None:
    _names(_server(tmp_path, pins), web)
    first, web.holds = web.holds, _text("a", "b")
    _server(tmp_path, pins).load(CONFIG, web.fetch)
    web.holds = first

    documents = _server(tmp_path, pins)

    assert documents.load(CONFIG, web.fetch).notices == []
    assert documents.offered(CONFIG) is None


def test_differences_name_what_is_new_gone_and_changed(tmp_path: Path, pins: Pins, web: Web) -> None:
    paths: JsonObject = {
        "/a": {"get": operation(operationId="a", summary="Old.")},
        "/gone": {"get": operation(operationId="gone")},
    }
    web.holds = json.dumps(document(paths))
    _names(_server(tmp_path, pins), web)
    paths = {
        "/v2/a": {
            "delete": operation(
                operationId="a",
                summary="New.",
                parameters=[parameter("q", "query")],
                requestBody=body({"type": "object", "properties": {"x": {"type": "string"}}}),
            )
        }
    }
    web.holds = json.dumps(document(paths, servers=[{"url": "https://other.example"}]))
    documents = _server(tmp_path, pins)
    documents.load(CONFIG, web.fetch)

    offer = documents.offered(CONFIG)

    assert offer is not None
    assert offer.differences == [
        "gone: gone (GET /gone)",
        "changed: a: whether a person must approve it (False → True)",
        "changed: a: the server that is called (https://api.example → https://other.example)",
        "changed: a: the method (GET → DELETE)",
        "changed: a: the path (/a → /v2/a)",
        "changed: a: its arguments",
        "changed: a: where its arguments go",
        "changed: a: how its body is written",
        "changed: a: its description (Old. → New.)",
    ]


def test_an_offered_document_that_cannot_be_used_is_not_accepted(tmp_path: Path, pins: Pins, web: Web) -> None:
    _names(_server(tmp_path, pins), web)
    web.holds = "<html>moved</html>"
    documents = _server(tmp_path, pins)

    assert _names(documents, web) == ["a"]
    with pytest.raises(DocumentInvalid, match="is not an object"):
        documents.offered(CONFIG)


def test_a_hash_in_the_persona_decides_and_its_document_serves_on(tmp_path: Path, pins: Pins, web: Web) -> None:
    assert web.holds is not None
    config = CONFIG.model_copy(update={"document_sha256": hash_of(web.holds)})
    _names(_server(tmp_path, pins), web, config)
    web.holds = _text("b")

    documents = _server(tmp_path, pins)
    imported = documents.load(config, web.fetch)

    assert [one.name for one in imported.operations] == ["a"]
    assert f"it is {hash_of(web.holds)} now" in imported.notices[0]
    assert documents.offered(config) is None
    taken = CONFIG.model_copy(update={"document_sha256": hash_of(web.holds)})
    assert _names(documents, web, taken) == ["b"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_document_without_the_wanted_hash_is_refused(tmp_path: Path, pins: Pins, web: Web, kept: bool) -> None:
    wanted = ActionConfig(document=URL, document_sha256="0" * 64)
    documents = Documents(tmp_path, pins if kept else None)

    with pytest.raises(DocumentInvalid, match=r"is not the one of `document_sha256`: it is [0-9a-f]{64}"):
        documents.load(wanted, web.fetch)


def test_a_hash_may_stand_with_a_file_of_the_checkout(tmp_path: Path, web: Web) -> None:
    (tmp_path / "api.json").write_text(_text("a"))
    good = ActionConfig(document="api.json", document_sha256=hash_of(_text("a")))

    assert _names(Documents(tmp_path), web, good) == ["a"]
    with pytest.raises(DocumentInvalid, match="is not the one of `document_sha256`"):
        Documents(tmp_path).load(good.model_copy(update={"document_sha256": "1" * 64}), web.fetch)


def test_an_accepted_document_whose_bytes_changed_on_disk_is_never_used(
    tmp_path: Path, pins: Pins, web: Web
) -> None:
    _names(_server(tmp_path, pins), web)
    (text,) = (path for path in pins.folder.iterdir() if path.suffix != ".json")
    text.write_text(text.read_text() + " ")

    with pytest.raises(
        DocumentInvalid, match=r"is gone or damaged .* remove '.*\.json' to accept what the address"
    ):
        _server(tmp_path, pins).load(CONFIG, web.fetch)


def test_a_pin_that_cannot_be_read_is_told_with_its_place(tmp_path: Path, pins: Pins, web: Web) -> None:
    _names(_server(tmp_path, pins), web)
    pins.path(URL).write_text("{}")

    with pytest.raises(DocumentInvalid, match=r"cannot be read \('.*\.json'\)"):
        _server(tmp_path, pins).load(CONFIG, web.fetch)


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path, web: Web) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DocumentInvalid, match="cannot be kept in"):
        Documents(tmp_path, Pins(tmp_path / "file" / "documents")).load(CONFIG, web.fetch)


def test_pins_are_for_their_owner_alone(tmp_path: Path, pins: Pins, web: Web) -> None:
    _names(_server(tmp_path, pins), web)

    assert [path.stat().st_mode & 0o077 for path in (pins.folder, *pins.folder.iterdir())] == [0, 0, 0]
    assert not [path for path in pins.folder.iterdir() if path.name.startswith(".")]


def test_a_reload_reads_only_documents_that_changed(tmp_path: Path, web: Web) -> None:
    (tmp_path / "api.json").write_text(_text("a"))
    config, documents = ActionConfig(document="api.json"), Documents(tmp_path)
    first = documents.load(config, web.fetch)

    again = documents.load(config, web.fetch)
    (tmp_path / "api.json").write_text(_text("b"))

    assert again.operations is first.operations
    assert _names(documents, web, config) == ["b"]
    assert _names(documents, web, ActionConfig(document="api.json", deny=("b",))) == []
