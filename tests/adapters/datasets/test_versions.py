"""Versions of data sets: numbered, by content, never changed, with personal data handled on the way in."""

import hashlib
import json
from pathlib import Path

import pytest

from adapters.datasets import DatasetInvalid, Datasets, DatasetVersion, Reference, Source, import_dataset
from adapters.datasets.personal import Kind, Policy, Span
from adapters.datasets.shelf import NewPart
from core.database import Database
from core.errors import InvalidRequest, NotFound
from tests.adapters.conftest import Ticker
from tests.adapters.datasets.rows import RESULT, A, S, U, asked, call, pair, talk, write

MAIL = "jo@example.com"


class FindsMail:
    """Finds one address."""

    def find(self, texts: list[str]) -> list[list[Span]]:
        return [
            [Span(text.index(MAIL), text.index(MAIL) + len(MAIL), Kind.EMAIL)] if MAIL in text else []
            for text in texts
        ]


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Datasets:
    return Datasets(database, tmp_path / "datasets", Ticker())


def taken(shelf: Datasets, path: Path, *pii: str) -> DatasetVersion:
    return import_dataset(Source(path, "talks", "ada", policy=Policy.parse(pii)), shelf, FindsMail())


def blobs(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "datasets").glob("??/*")}


def test_a_file_becomes_a_version_under_the_hash_of_its_bytes(shelf: Datasets, tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A), asked("Where is it?", label="status"))
    version = taken(shelf, path)
    kept = shelf.file(Reference("talks", 1))
    assert kept.read_bytes() == path.read_bytes()
    assert version.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == kept.name
    assert (version.reference, version.rows, version.source, version.by) == ("talks@1", 2, "data.jsonl", "ada")
    assert shelf.get(Reference("talks")) == version


def test_the_same_bytes_make_no_new_version_and_others_the_next(shelf: Datasets, tmp_path: Path) -> None:
    first = write(tmp_path, talk(S, U, A))
    second = write(tmp_path, pair(), name="pairs.jsonl")
    numbers = [taken(shelf, path).version for path in (first, second, first)]
    assert numbers == [1, 2, 1]
    assert [version.format.value for version in shelf.list("talks")] == ["chat", "preference"]


def test_a_file_with_faults_is_refused_and_leaves_nothing(shelf: Datasets, tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match=r"data\.jsonl:2: Not JSON"):
        taken(shelf, write(tmp_path, talk(S, U, A), "x"))
    assert shelf.list() == []
    assert not (tmp_path / "datasets").exists()


def test_personal_data_that_is_blocked_is_told_by_place_and_never_quoted(shelf: Datasets, tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A), asked(f"I am {MAIL}."))
    with pytest.raises(DatasetInvalid) as refusal:
        taken(shelf, path)
    (found,) = refusal.value.findings
    assert (found.line, found.field, found.code) == (2, "messages[1].content", "personal_data")
    assert "Characters 5 to 19" in found.message
    assert MAIL not in refusal.value.message
    assert list((tmp_path / "datasets" / "incoming").iterdir()) == []
    assert blobs(tmp_path) == set()


def test_personal_data_that_is_masked_is_nowhere_in_what_is_kept(shelf: Datasets, tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A), asked(f"I am {MAIL}, {'ä' * 3}.", f"Dear {MAIL}"))
    version = taken(shelf, path, "mask")
    first, second = shelf.file(Reference("talks")).read_text(encoding="utf-8").splitlines()
    assert first == talk(S, U, A)  # what has none stays byte by byte
    assert [message["content"] for message in json.loads(second)["messages"]] == [
        "Be kind.",
        "I am [EMAIL], äää.",
        "Dear [EMAIL]",
    ]
    assert version.personal_data["email"] == {"found": 2, "decision": "mask"}
    assert version.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest() != version.sha256


def test_personal_data_that_is_allowed_is_counted_and_stays(shelf: Datasets, tmp_path: Path) -> None:
    path = write(tmp_path, asked(f"I am {MAIL}."))
    version = taken(shelf, path, "email=allow")
    assert shelf.file(Reference("talks")).read_bytes() == path.read_bytes()
    assert version.personal_data["email"] == {"found": 1, "decision": "allow"}


def test_a_mask_that_breaks_the_arguments_of_a_call_is_refused(shelf: Datasets, tmp_path: Path) -> None:
    bound = {"type": "object", "properties": {"to": {"pattern": "@"}}}
    tool = {"type": "function", "function": {"name": "count", "parameters": bound}}
    path = write(tmp_path, talk(S, U, call(json.dumps({"to": MAIL})), RESULT, A, tools=[tool]))
    with pytest.raises(DatasetInvalid, match="arguments_do_not_fit"):
        taken(shelf, path, "mask")
    assert shelf.list() == []


def test_groups_that_are_masked_stay_apart_and_labels_and_reviewers_are_left_alone(
    shelf: Datasets, tmp_path: Path
) -> None:
    about: list[dict[str, object]] = [
        {"group": MAIL, "label": MAIL, "reviewer": MAIL},
        {"group": f"{MAIL}.de"},
        {"metadata": {"group": f" {MAIL}", "reviewer": MAIL}},
        {"group": "order 7"},
    ]
    rows = [
        json.dumps({**json.loads(asked(f"Where is number {place}?")), **more}) for place, more in enumerate(about)
    ]
    taken(shelf, write(tmp_path, *rows), "mask")
    kept = [json.loads(row) for row in shelf.file(Reference("talks")).read_text().splitlines()]
    groups = [row.get("group") or row["metadata"]["group"] for row in kept]
    assert groups == ["[GROUP 1]", "[GROUP 2]", "[GROUP 1]", "order 7"]
    assert (kept[0]["label"], kept[0]["reviewer"], kept[2]["metadata"]["reviewer"]) == (MAIL, MAIL, MAIL)


def test_the_address_of_a_reviewer_stops_no_import_but_that_of_a_group_does(
    shelf: Datasets, tmp_path: Path
) -> None:
    assert taken(shelf, write(tmp_path, asked("Where?", reviewer=MAIL, label=MAIL))).version == 1
    with pytest.raises(DatasetInvalid, match="personal data"):
        taken(shelf, write(tmp_path, asked("Where?", group=MAIL)))


def test_what_is_kept_has_plain_lines_whatever_the_file_had(shelf: Datasets, tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{talk(S, U, A)}\r\n\r\n{talk(U, A)}".encode())
    taken(shelf, path)
    assert shelf.file(Reference("talks")).read_text() == f"{talk(S, U, A)}\n{talk(U, A)}\n"


def test_bytes_that_were_changed_are_not_handed_out(shelf: Datasets, tmp_path: Path) -> None:
    taken(shelf, write(tmp_path, talk(S, U, A)))
    kept = shelf.file(Reference("talks"))
    kept.write_bytes(kept.read_bytes().replace(b"Hello", b"Hallo"))
    with pytest.raises(InvalidRequest) as refusal:
        shelf.file(Reference("talks"))
    assert refusal.value.code == "dataset_damaged"
    assert taken(shelf, tmp_path / "data.jsonl").version == 1  # as the message says
    assert shelf.file(Reference("talks")).read_bytes() == (tmp_path / "data.jsonl").read_bytes()


def test_the_parts_of_the_newest_split_are_handed_out_by_name(shelf: Datasets, tmp_path: Path) -> None:
    version = taken(shelf, write(tmp_path, talk(S, U, A), talk(U, A)))
    rows = [talk(S, U, A).encode(), talk(U, A).encode()]
    one = [NewPart("train", rows[:1], 1), NewPart("test", rows[1:], 1)]
    shelf.add_split(version, "one", one, {"seed": 0})
    shelf.add_split(version, "one", [NewPart("train", rows, 2)], {"seed": 0})  # it stays as it was
    assert [part.rows for part in shelf.get(Reference("talks")).parts] == [1, 1]
    two = shelf.add_split(
        version, "two", [NewPart("train", rows[1:], 1), NewPart("test", rows[:1], 1)], {"seed": 1}
    )
    assert [part.split for part in two.parts] == ["two", "two", "one", "one"]
    assert shelf.file(Reference("talks", 1, "train")).read_bytes() == rows[1] + b"\n"
    with pytest.raises(NotFound) as missing:
        shelf.file(Reference("talks", 1, "dev"))
    assert missing.value.code == "dataset_part_not_found"


def test_a_split_that_is_asked_for_again_is_what_names_mean_even_where_the_clock_stands_still(
    database: Database, tmp_path: Path
) -> None:
    shelf = Datasets(database, tmp_path / "datasets", lambda: 1000.0)
    version = taken(shelf, write(tmp_path, talk(S, U, A), talk(U, A)))
    first, second = [NewPart("train", [b"first"], 1)], [NewPart("train", [b"second"], 1)]
    for split, parts in (("one", first), ("two", second), ("one", first), ("two", second), ("one", first)):
        made = shelf.add_split(version, split, parts, {})
        assert made.parts[0].split == split
        assert shelf.file(Reference("talks", 1, "train")).read_bytes() == parts[0].rows[0] + b"\n"
    assert len(made.parts) == 2


@pytest.mark.parametrize(
    "text", ["", "Talks", "talks@0", "talks@", "talks/", "../talks", "talks@1/Train", "a" * 65]
)
def test_a_reference_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Reference.parse(text)
    assert refusal.value.code == "dataset_name_invalid"
