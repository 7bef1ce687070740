"""Backups: taken while others write, restored, and compared with what was acknowledged."""

import errno
import gzip
import io
import json
import resource
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actions import Approvals, ApprovalState, Decision, Pins, Seal, Tokens
from actions.oauth import Grant
from adapters import BaseModel, ImportLimits, Registry
from core.clock import system_clock
from core.database import Database
from core.errors import Conflict, InvalidRequest, RepertoryError, TooLarge, Unavailable
from core.ids import ConversationId, PersonaId, PrincipalId
from core.principal import Principal, Scope
from server.backup import restore, take
from server.data_directory import locked
from server.keys.store import Keys
from server.migrations import migrate, revisions
from tests.actions.documents import document, operation
from tests.adapters.tiny import make_adapter, make_base
from tests.server.conftest import Start

pytestmark = pytest.mark.anyio
ADMIN = Principal(PrincipalId("key:boss"), frozenset({Scope.ADMIN}))


@dataclass
class Server:
    """A data directory in use, and what its users were told is done: name → secret, ids, versions."""

    folder: Path
    base: BaseModel
    adapters: Path
    keys: dict[str, str] = field(default_factory=dict)
    approvals: dict[str, str] = field(default_factory=dict)
    versions: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700)
        self.database = Database(self.folder / "repertory.db")
        migrate(self.database)
        self.key_store = Keys(self.database, system_clock)
        self.key_store.bootstrap(self.folder / "admin.key")
        self.approval_store = Approvals(self.database, system_clock)
        self.registry = Registry(self.database, self.folder / "adapters")

    def make_key(self, number: int) -> None:
        _, secret = self.key_store.create(f"key{number}", [Scope.CHAT])
        self.keys[f"key{number}"] = secret

    def decide_approval(self, number: int) -> None:
        made = self.approval_store.request(
            PrincipalId("key:app"), PersonaId("p"), ConversationId("c"), "remove", {"n": number}, "DELETE /n"
        )
        self.approval_store.decide(made.id, Decision.DENY, ADMIN)
        self.approvals[made.id] = "denied"

    def import_adapter(self, number: int) -> None:
        source = make_adapter(self.adapters / str(number), seed=number)
        version = self.registry.import_folder(source, "tiny", base=self.base, limits=ImportLimits(max_rank=8))
        self.versions.add(("tiny", version.version))

    def close(self) -> None:
        self.database.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return BaseModel.load(make_base(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def server(tmp_path: Path, base: BaseModel) -> Iterator[Server]:
    running = Server(tmp_path / "data", base, tmp_path / "incoming")
    yield running
    running.close()


@contextmanager
def hammering(*works: Callable[[int], None]) -> Iterator[None]:
    """Repeat each work in a thread of its own, with rising numbers."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(work: Callable[[int], None]) -> None:
        number = 1000
        try:
            while not stop.is_set():
                work(number)
                number += 1
        except BaseException as error:  # shown by the test's thread
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


async def test_a_backup_taken_while_others_write_holds_all_that_was_acknowledged_before(
    server: Server, tmp_path: Path, start: Start
) -> None:
    for number in range(3):
        server.make_key(number)
        server.decide_approval(number)
        server.import_adapter(number)
    with hammering(server.make_key, server.decide_approval, server.import_adapter):
        while len(server.keys) < 6 or len(server.versions) < 5:
            threading.Event().wait(0.01)
        before = (set(server.keys), set(server.approvals), set(server.versions))
        taken = take(server.folder, tmp_path / "b.tar.gz", system_clock)
    assert taken.warnings == ()
    restored = tmp_path / "restored"
    done = restore(taken.path, restored, system_clock)
    assert (done.warnings, done.aside) == ((), None)
    assert stat.S_IMODE((restored / "admin.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(restored.stat().st_mode) == 0o700
    async with start(data_dir=restored) as gateway:
        keys, approvals = gateway.services.keys, gateway.services.approvals
        database = Database(restored / "repertory.db")
        registry = Registry(database, restored / "adapters")
        found = (
            {key.name for key in keys.list() if not key.bootstrap},
            {one.id for one in approvals.list(ApprovalState.DENIED)},
            {(one.name, one.version) for one in registry.list()},
        )
        after = (set(server.keys), set(server.approvals), set(server.versions))
        assert before[0] <= found[0] <= after[0]
        assert before[1] <= found[1] <= after[1]
        assert before[2] <= found[2] <= after[2]
        assert all(keys.find(server.keys[name]) for name in found[0])
        for name, version in found[2]:
            registry.verify(name, version)
        database.close()
        admin = (restored / "admin.key").read_text().strip()
        async with gateway.http(authorization=f"Bearer {admin}") as http:
            assert (await http.get("/api/personas")).status_code == 200
        key = server.keys[min(before[0])]
        assert (await gateway.ask("plain", "Hello", key=key)).choices[0].message.content


def test_calls_that_may_be_made_by_now_are_given_up(server: Server, tmp_path: Path) -> None:
    ids = []
    for number in range(3):
        made = server.approval_store.request(
            PrincipalId("key:app"), PersonaId("p"), ConversationId("c"), "pay", {"n": number}, "POST /pay"
        )
        ids.append(made.id)
    for one in ids[1:]:
        server.approval_store.decide(one, Decision.APPROVE, ADMIN)
    assert server.approval_store.claim(ids[2])
    taken = take(server.folder, tmp_path / "b.tar.gz", system_clock)
    assert server.approval_store.claim(ids[1])  # made after the backup: a restored server must not make it again
    assert restore(taken.path, tmp_path / "restored", system_clock).given_up == 3
    database = Database(tmp_path / "restored" / "repertory.db")
    states = {one.id: one.state for one in Approvals(database, system_clock).list()}
    assert [states[one] for one in ids] == ["expired", "expired", "unknown"]
    assert not any(Approvals(database, system_clock).claim(one) for one in ids)
    database.close()


def test_connected_accounts_are_broken_off_and_their_keys_are_in_no_backup(server: Server, tmp_path: Path) -> None:
    tokens = Tokens(server.database, Seal(server.folder / "oauth.keys"), system_clock)
    grant = Grant("at-canary-of-ada", "rt-canary-of-ada", 1.0, None, ("read",))
    tokens.keep(PrincipalId("key:ada"), "crm", "app", grant)
    key = (server.folder / "oauth.keys").read_bytes().strip()
    taken = take(server.folder, tmp_path / "b.tar.gz", system_clock)
    with gzip.open(taken.path) as raw:
        inside = raw.read()
    assert b"key:ada" in inside
    assert [one for one in (key, b"oauth.keys", b"at-canary", b"rt-canary") if one in inside] == []
    restore(taken.path, tmp_path / "restored", system_clock)
    database = Database(tmp_path / "restored" / "repertory.db")
    restored = Tokens(database, Seal(server.folder / "oauth.keys"), system_clock)  # even with the old key
    (found,) = restored.list()
    assert (found.state, found.reason) == ("broken", "The server was restored from a backup.")
    assert restored.open(PrincipalId("key:ada"), "crm", "app") is None
    database.close()


def test_accepted_documents_are_in_a_backup_and_serve_after_it(server: Server, tmp_path: Path) -> None:
    text = json.dumps(document({"/a": {"get": operation(operationId="a")}}))
    Pins(server.folder / "documents").accept("https://api.example/openapi.json", text)
    (server.folder / "documents" / "notes.txt").write_text("not ours")

    taken = take(server.folder, tmp_path / "b.tar.gz", system_clock)
    restore(taken.path, tmp_path / "restored", system_clock)

    pins = Pins(tmp_path / "restored" / "documents")
    pin = pins.get("https://api.example/openapi.json")
    assert pin is not None
    assert pins.text(pin.accepted) == text
    assert len(list(pins.folder.iterdir())) == 2


def test_what_was_deleted_before_is_in_no_backup(server: Server, tmp_path: Path) -> None:
    with server.database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        connection.exec_driver_sql("INSERT INTO t VALUES (?)", ("canary-51c2" * 50,))
    with server.database.write() as connection:
        connection.exec_driver_sql("PRAGMA secure_delete=OFF")
        connection.exec_driver_sql("DELETE FROM t")
    taken = take(server.folder, tmp_path / "b.tar.gz", system_clock)
    assert b"canary-51c2" not in gzip.decompress(taken.path.read_bytes())


def test_a_damaged_adapter_does_not_keep_the_rest_from_being_saved(server: Server, tmp_path: Path) -> None:
    for number in range(2):
        server.import_adapter(number)
    weights = server.folder / "adapters" / "tiny" / "1" / "adapter_model.safetensors"
    weights.chmod(0o600)
    weights.write_bytes(b"broken")
    taken = take(server.folder, tmp_path / "b.tar.gz", system_clock)
    done = restore(taken.path, tmp_path / "restored", system_clock)
    assert len(taken.warnings) == len(done.warnings) == 1
    assert "tiny@1" in taken.warnings[0]
    assert "tiny@1" in done.warnings[0]


def test_a_backup_overwrites_nothing(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    target.write_text("mine")
    with pytest.raises(Conflict):
        take(server.folder, target, system_clock)
    assert target.read_text() == "mine"
    with pytest.raises(InvalidRequest):
        take(tmp_path / "nothing", tmp_path / "c.tar.gz", system_clock)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let writing more fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def test_a_file_of_8_gib_is_written_until_the_disk_is_full(server: Server, tmp_path: Path) -> None:
    sparse(server.folder / "admin.key", 8 << 30)  # its header is written, and the reading ends early
    with files_no_larger_than(4_000_000), pytest.raises(Unavailable, match="File too large"):
        take(server.folder, tmp_path / "b.tar.gz", system_clock)


def test_a_file_of_8_gib_whose_name_no_restore_could_read_is_refused_in_words(
    server: Server, tmp_path: Path
) -> None:
    source = make_adapter(server.adapters / "1", seed=1)
    server.registry.import_folder(source, "t" * 60, base=server.base, limits=ImportLimits(max_rank=8))
    folder = server.folder / "adapters" / ("t" * 60) / "1"
    folder.chmod(0o700)
    (folder / "manifest.json").unlink()  # so that nobody reads 8 GiB to check them
    sparse(folder / ("a" * 60), 8 << 30)
    with pytest.raises(TooLarge, match="8 GiB"):
        take(server.folder, tmp_path / "b.tar.gz", system_clock)
    assert not (tmp_path / "b.tar.gz").exists()


def test_a_full_disk_leaves_no_half_backup(server: Server, tmp_path: Path) -> None:
    with server.database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        connection.exec_driver_sql("INSERT INTO t VALUES (randomblob(3000000))")
    folder = tmp_path / "backups"
    folder.mkdir()
    with files_no_larger_than(1_000_000), pytest.raises(Unavailable, match="free space"):
        take(server.folder, folder / "b.tar.gz", system_clock)
    assert list(folder.iterdir()) == []


# Restoring


@pytest.fixture
def archive(server: Server, tmp_path: Path) -> Path:
    server.make_key(1)
    server.import_adapter(1)
    return take(server.folder, tmp_path / "whole.tar.gz", system_clock).path


def test_a_used_folder_is_refused_and_with_replace_moved_aside(server: Server, archive: Path) -> None:
    with pytest.raises(Conflict, match="not empty"):
        restore(archive, server.folder, system_clock)
    with locked(server.folder), pytest.raises(Conflict, match="Another Repertory"):
        restore(archive, server.folder, system_clock, replace=True)
    server.make_key(2)
    done = restore(archive, server.folder, system_clock, replace=True)
    assert done.aside is not None
    assert key_names(done.aside) - key_names(server.folder) == {"key2"}


def test_what_was_there_is_put_back_when_the_restored_folder_cannot_take_its_place(
    server: Server, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.make_key(2)
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if ".restoring-" in path.name:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(Unavailable, match="resource busy"):
        restore(archive, server.folder, system_clock, replace=True)
    assert "key2" in key_names(server.folder)
    assert not [path.name for path in tmp_path.iterdir() if "restor" in path.name]


@pytest.mark.parametrize("seen", ["at once", "at the end"])
def test_where_a_server_came_in_between_the_error_names_the_folder_that_is_aside(
    server: Server, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    server.make_key(2)
    rename = Path.rename
    with ExitStack() as other:

        def raced(path: Path, target: Path) -> Path:
            if path == server.folder and seen == "at once":
                moved = rename(path, target)
                other.enter_context(locked(server.folder))
                return moved
            if ".restoring-" in path.name:
                (server.folder / "repertory.db").touch()
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", raced)
        with pytest.raises(Conflict) as caught:
            restore(archive, server.folder, system_clock, replace=True)
    (aside,) = tmp_path.glob("data.before-restore-*")
    assert str(aside) in caught.value.message
    assert "key2" in key_names(aside)


def key_names(folder: Path) -> set[str]:
    connection = sqlite3.connect(folder / "repertory.db")
    names = {row[0] for row in connection.execute("SELECT name FROM server_keys")}
    connection.close()
    return names


Members = list[tuple[tarfile.TarInfo, bytes]]


def members(archive: Path) -> Members:
    with tarfile.open(archive) as file:
        return [(one, read.read() if (read := file.extractfile(one)) else b"") for one in file]


def packed(path: Path, contents: Members, *, gnu: bool = False) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT if gnu else tarfile.USTAR_FORMAT) as file:
        for info, data in contents:
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


FOREIGN = {
    "above": named("../escaped"),
    "above within": named("adapters/tiny/1/../../../../escaped"),
    "absolute": named("/tmp/escaped"),
    "keys of accounts": named("oauth.keys"),
    "a link": named("adapters/tiny/1/link", tarfile.SYMTYPE, "/etc/passwd"),
    "a link as the database": named("repertory.db", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": named("adapters/tiny/1/link", tarfile.LNKTYPE, "repertory.db"),
    "a folder": named("adapters", tarfile.DIRTYPE),
    "a device": named("adapters/tiny/1/null", tarfile.CHRTYPE),
    "a pipe": named("adapters/tiny/1/pipe", tarfile.FIFOTYPE),
    "an index": named("indexes/x"),
    "a second database": named("repertory.db"),
    "a long name": named("adapters/tiny/1/" + "x" * 300),
}


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_what_no_backup_holds_is_refused(archive: Path, tmp_path: Path, foreign: str) -> None:
    whole = members(archive)
    evil = packed(tmp_path / "evil.tar.gz", [*whole[:-1], (FOREIGN[foreign], b""), whole[-1]], gnu=True)
    refused(evil, tmp_path)


def test_changed_missing_further_and_cut_off_files_are_refused(archive: Path, tmp_path: Path) -> None:
    whole = members(archive)
    key = next(at for at, (info, _) in enumerate(whole) if info.name == "admin.key")
    changed = [*whole]
    changed[key] = (named("admin.key"), b"rep-other\n")
    variants = {
        "changed": changed,
        "missing": [one for at, one in enumerate(whole) if at != key],
        "further": [*whole[:-1], (named("adapters/tiny/1/extra.json"), b"{}"), whole[-1]],
        "without its manifest": whole[:-1],
        "behind the manifest": [*whole[:key], *whole[key + 1 :], whole[key]],
        "manifest is none": [*whole[:-1], (named("manifest.json"), b"[1]")],
        "empty": [],
    }
    for number, contents in enumerate(variants.values()):
        refused(packed(tmp_path / f"v{number}.tar.gz", contents), tmp_path)
    data = archive.read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 9):
        (tmp_path / "cut.tar.gz").write_bytes(data[:size])
        refused(tmp_path / "cut.tar.gz", tmp_path)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0x10
    (tmp_path / "flipped.tar.gz").write_bytes(flipped)
    refused(tmp_path / "flipped.tar.gz", tmp_path)
    refused(tmp_path / "none.tar.gz", tmp_path)


def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path) -> None:
    info = named("repertory.db")
    info.size = 1 << 50
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024))
    refused(path, tmp_path, Unavailable)
    header = named("x", tarfile.XHDTYPE)
    header.size = 1 << 40  # tarfile would read it all into memory
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024))
    refused(path, tmp_path)


def refused(archive: Path, tmp_path: Path, kind: type[RepertoryError] = InvalidRequest) -> None:
    with pytest.raises(kind):
        restore(archive, tmp_path / "restored", system_clock)
    assert not (tmp_path / "restored").exists()
    assert not (tmp_path / "escaped").exists()
    assert not list(tmp_path.glob(".restored*"))


@pytest.mark.parametrize(("key", "value"), [("schema_revision", "9999"), ("format", 2)])
def test_a_backup_of_a_newer_release_is_refused_in_words(
    archive: Path, tmp_path: Path, key: str, value: object
) -> None:
    whole = members(archive)
    manifest = json.loads(whole[-1][1]) | {key: value}
    newer = packed(tmp_path / "newer.tar.gz", [*whole[:-1], (whole[-1][0], json.dumps(manifest).encode())])
    with pytest.raises(RepertoryError) as caught:
        restore(newer, tmp_path / "restored", system_clock)
    assert caught.value.code in ("schema_too_new", "backup_too_new")
    assert str(value) in caught.value.message
    assert not (tmp_path / "restored").exists()


def test_a_restored_database_has_the_schema_of_this_release(archive: Path, tmp_path: Path) -> None:
    restore(archive, tmp_path / "restored", system_clock)
    connection = sqlite3.connect(tmp_path / "restored" / "repertory.db")
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (revisions()[-1],)
    connection.close()
