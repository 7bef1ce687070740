"""Archives that carry a version away and back, hostile ones, model cards and aliases."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters import AdapterRefused, BaseModel, Registry, VersionState
from adapters.archive import HEADER
from adapters.card import markdown_of
from adapters.inspection import CONFIG, WEIGHTS
from adapters.papers import Papers
from adapters.retirement import Retirement
from core.database import Database
from core.errors import InvalidRequest, NotFound
from tests.adapters.conftest import LIMITS, Ticker
from tests.adapters.tiny import make_adapter, make_base

Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def papers(database: Database, registry: Registry, base: BaseModel, tmp_path: Path) -> Papers:
    for seed in range(2):
        registry.import_folder(make_adapter(tmp_path / str(seed), seed=seed), "coach", base=base, limits=LIMITS)
    return Papers(database, registry, Ticker())


def test_a_version_goes_out_and_comes_in_again_as_the_same_one(
    papers: Papers, registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    papers.tell("coach", 1, {"intended_use": "coaching", "contact": "ann@example.com"}, by="ann")
    archive = tmp_path / "coach.tar"
    assert papers.export("coach@1", archive).version == 1
    again = papers.import_archive(archive, None, base=base, limits=LIMITS, by="bob")
    assert again.version == 1
    other = papers.import_archive(archive, "mentor", base=base, limits=LIMITS, by="bob")
    assert (other.engine_name, other.state) == ("mentor@1", VersionState.TRAINED)
    assert other.digest == registry.get("coach", 1).digest
    assert papers.card("mentor", 1)["intended_use"] == "coaching"


def test_whatever_lies_beside_an_archive_is_left_alone(papers: Papers, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "coach.tar.tmp").write_text("mine")
    papers.export("coach@1", folder / "coach.tar")
    assert {path.name for path in folder.iterdir()} == {"coach.tar", "coach.tar.tmp"}
    assert (folder / "coach.tar.tmp").read_text() == "mine"


@pytest.mark.parametrize("target", ["nowhere/coach.tar", "file/coach.tar", "folder", "x" * 300])
def test_where_no_archive_can_be_written_is_told_and_nothing_is_left(
    papers: Papers, tmp_path: Path, target: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(InvalidRequest, match="cannot be written: ") as refusal:
        papers.export("coach@1", tmp_path / target)
    assert refusal.value.code == "archive_not_written"
    assert {path.name for path in tmp_path.iterdir()} == before


def test_an_archive_for_another_base_is_refused(papers: Papers, tmp_path: Path) -> None:
    archive = tmp_path / "coach.tar"
    papers.export("coach@1", archive)
    other = BaseModel.load(make_base(tmp_path / "other", seed=5))
    with pytest.raises(AdapterRefused) as refusal:
        papers.import_archive(archive, None, base=other, limits=LIMITS, by="bob")
    assert refusal.value.code == "base_differs"


def _named(name: str) -> Callable[[list[Member]], list[Member]]:
    def change(members: list[Member]) -> list[Member]:
        extra = tarfile.TarInfo(name)
        extra.size = 3
        return [*members, (extra, b"bad")]

    return change


def _link(kind: bytes, target: str) -> Callable[[list[Member]], list[Member]]:
    def change(members: list[Member]) -> list[Member]:
        link = tarfile.TarInfo(CONFIG)
        link.type, link.linkname = kind, target
        link.size = len(_by_name(members)[CONFIG])
        return [(link, b"") if one.name == CONFIG else (one, content) for one, content in members]

    return change


_SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
"""Says that the next file begins with a map of its holes, which it does not."""


def _meta(kind: bytes, content: bytes) -> Member:
    member = tarfile.TarInfo("meta")
    member.type, member.size = kind, len(content)
    return member, content


def _by_name(members: list[Member]) -> dict[str, bytes]:
    return {one.name: content for one, content in members}


def _flipped(members: list[Member]) -> list[Member]:
    return [
        (one, content[:-1] + bytes([content[-1] ^ 1])) if one.name == WEIGHTS else (one, content)
        for one, content in members
    ]


def _said(**changes: Any) -> Callable[[list[Member]], list[Member]]:
    def change(members: list[Member]) -> list[Member]:
        header = json.loads(members[0][1]) | changes
        text = json.dumps(header).encode()
        first = tarfile.TarInfo(HEADER)
        first.size = len(text)
        return [(first, text), *members[1:]]

    return change


def _other_weights(members: list[Member]) -> list[Member]:
    """Change the weights and their hash in the header alike, but not what the version is known by."""
    flipped = _flipped(members)
    header = json.loads(flipped[0][1])
    weights = _by_name(flipped)[WEIGHTS]
    header["files"][WEIGHTS]["sha256"] = hashlib.sha256(weights).hexdigest()
    return _said(**header)(flipped)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_named("../../evil.json"), "unexpected_file"),
        (_named("/etc/cron.d/evil"), "unexpected_file"),
        (_named("new_code.py"), "unexpected_file"),
        (_named(WEIGHTS), "unexpected_file"),
        (_link(tarfile.SYMTYPE, "/etc/passwd"), "not_a_file"),
        (_link(tarfile.LNKTYPE, HEADER), "not_a_file"),
        (_link(tarfile.DIRTYPE, ""), "not_a_file"),
        (_link(tarfile.CHRTYPE, ""), "not_a_file"),
        (_link(tarfile.GNUTYPE_SPARSE, ""), "not_a_file"),
        (_flipped, "archive_damaged"),
        (_other_weights, "archive_damaged"),
        (lambda members: members[1:], "archive_damaged"),
        (lambda members: members[:-1], "archive_damaged"),
        (_said(format=2), "unknown_format"),
        (_said(files={}), "archive_damaged"),
        (_said(files={CONFIG: {}, WEIGHTS: {}}), "archive_damaged"),
        (
            _said(files={CONFIG: {"bytes": 1, "sha256": ""}, WEIGHTS: {"bytes": 1 << 60, "sha256": ""}}),
            "unexpected_file",
        ),
        (_said(name="../up"), "adapter_name_invalid"),
        (_said(card={"review_on": "soon"}), "archive_damaged"),
        (_said(card={"limits": "x" * 100_000}), "archive_damaged"),
        (lambda members: [members[0], *[_meta(tarfile.GNUTYPE_LONGNAME, b"a")] * 3_000], "archive_damaged"),
        (lambda members: [members[0], _meta(tarfile.XHDTYPE, _SPARSE), *members[1:]], "archive_damaged"),
    ],
)
def test_a_hostile_or_damaged_archive_is_refused_and_leaves_nothing(
    papers: Papers,
    registry: Registry,
    base: BaseModel,
    tmp_path: Path,
    change: Callable[[list[Member]], list[Member]],
    code: str,
) -> None:
    archive, hostile = tmp_path / "coach.tar", tmp_path / "hostile.tar"
    papers.export("coach@2", archive)
    before = registry.list()
    with tarfile.open(archive) as reader:
        members = [(one, reader.extractfile(one).read()) for one in reader]  # type: ignore[union-attr]  # plain files
    with hostile.open("wb") as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as writer:
        for member, content in change(members):
            writer.addfile(member, io.BytesIO(content) if content else None)
    with pytest.raises(InvalidRequest) as refusal:
        papers.import_archive(hostile, None, base=base, limits=LIMITS, by="bob")
    assert refusal.value.code == code
    assert registry.list() == before
    assert not (tmp_path.parent / "evil.json").exists()


def test_a_compressed_or_too_large_archive_is_not_opened(papers: Papers, base: BaseModel, tmp_path: Path) -> None:
    bomb, large = tmp_path / "bomb.tar.gz", tmp_path / "large.tar"
    with tarfile.open(bomb, "w:gz") as writer:
        member = tarfile.TarInfo(HEADER)
        member.size = 100_000_000
        writer.addfile(member, io.BytesIO(bytes(member.size)))
    with large.open("wb") as file:
        file.truncate(LIMITS.max_bytes + 20_000_000)
    for path, code in ((bomb, "archive_damaged"), (large, "too_large")):
        with pytest.raises(AdapterRefused) as refusal:
            papers.import_archive(path, None, base=base, limits=LIMITS, by="bob")
        assert refusal.value.code == code


def test_a_card_tells_what_people_said_and_what_the_record_knows(papers: Papers, registry: Registry) -> None:
    papers.tell("coach", 1, {"limits": "not for medical advice", "review_on": "2027-01-31"}, by="ann")
    registry.transition("coach", 1, VersionState.EVALUATED, by="gate", reason="accuracy 0.91")
    registry.retire(Retirement("coach", 1, 4e9, "coach@2", "ann", "old", 0.0))
    card = papers.card("coach", 1)
    assert card["metrics"][0]["said"] == "accuracy 0.91"
    assert (card["author"], card["successor"], card["base"]["name"]) == ("import", "coach@2", "tiny")
    text = markdown_of(card)
    for part in ("# coach@1", "not for medical advice", "accuracy 0.91", "retire by: 2096-10-02", "2027-01-31"):
        assert part in text
    with pytest.raises(InvalidRequest):
        papers.tell("coach", 1, {"review_on": "soon"}, by="ann")
    with pytest.raises(InvalidRequest):
        papers.tell("coach", 1, {"author": "me"}, by="ann")


@pytest.mark.parametrize("digits", [10, 20, 5_000])
def test_a_number_that_no_database_has_is_no_version(papers: Papers, registry: Registry, digits: int) -> None:
    with pytest.raises(NotFound) as missing:
        papers.find("coach@" + "9" * digits)
    assert missing.value.code == "adapter_version_not_found"
    assert len(missing.value.message) < 300
    for find in (registry.get, lambda name, number: papers.alias(name, "gold", number, by="ann")):
        with pytest.raises(NotFound):
            find("coach", 10 ** min(digits, 4_000))


def test_aliases_stand_for_versions_and_some_follow_the_states(papers: Papers, registry: Registry) -> None:
    registry.promote("coach", 1, by="ann", reason="first", override=True)
    papers.alias("coach", "gold", 1, by="ann")
    assert papers.aliases("coach") == {"gold": 1, "production": 1, "latest": 2}
    assert papers.find("coach@gold").version == papers.find("coach@1").version == 1
    papers.alias("coach", "gold", None, by="ann")
    with pytest.raises(NotFound):
        papers.find("coach@gold")
    for wrong in ("latest", "7"):
        with pytest.raises(InvalidRequest):
            papers.alias("coach", wrong, 1, by="ann")
