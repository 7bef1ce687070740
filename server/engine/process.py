"""One run of vLLM as a child: its command line, its private socket, its end.

Knows no persona and no adapter, only where the registry lies. A guardian (`core.guardian`) stands
between, so that nothing of vLLM outlives this process.
"""

import asyncio
import contextlib
import hashlib
import os
import shlex
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psutil

from core import logfile
from core.errors import Unavailable
from core.guardian import command, end_processes
from server.settings import Settings

LEASE = "REPERTORY_ENGINE_LEASE"
"""Marks every process of an engine with its runtime folder, so that orphans can be told."""

BASE_MODEL_NAME = "base"
_STOP_SECONDS = 8.0
_LOWERED = 7
"""Niceness of an engine that gives way to trainings."""
_GPU = Path("/dev/nvidia0")
_CPU_BLOCK = 32
"""Tokens in a block of the KV cache. Only whole blocks are found again, and vLLM's 128 on CPU are more than the
instructions of many a persona; 32 is the fewest that its CPU attention takes (docs/performance.md)."""
_SMALL_BASE_BYTES = 2_000_000_000


class EngineProcess:
    """Starts and stops vLLM for one data directory.

    Args:
        settings: of this server.
        template: chat template that vLLM renders with, or None for the model's own.
    """

    def __init__(self, settings: Settings, template: Path | None) -> None:
        self._settings = settings
        self._template = template
        self.runtime_dir = runtime_dir(settings.data_dir)
        self.socket = self.runtime_dir / "engine.sock"
        self.log_path = settings.logs_dir / "engine.log"
        self._process: asyncio.subprocess.Process | None = None

    def end_orphans(self) -> int:
        """End what a killed gateway left behind, and clear its runtime folder; return how many processes.

        Raises:
            Unavailable: a process that is not ours answers on the socket.
        """
        orphans = [p for p in psutil.process_iter() if _lease(p) == str(self.runtime_dir)]
        end_processes(orphans)
        if _answers(self.socket):
            raise Unavailable(f"Another program answers on {str(self.socket)!r}. End it and start again.")
        shutil.rmtree(self.runtime_dir, ignore_errors=True)
        return len(orphans)

    async def start(self) -> None:
        """Start vLLM; return as soon as the process runs.

        Raises:
            Unavailable: its folder, its log or the process itself cannot be made.
        """
        try:
            self._make_runtime_dir()
            log = logfile.opened(self.log_path)
        except OSError as error:
            raise Unavailable(
                f"vLLM cannot be started: {error.filename or self.log_path} cannot be written ({error.strerror}).",
                code="engine_unavailable",
            ) from error
        lowered = self._niceness()
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *command(os.getpid(), self.arguments(), niceness=lowered, of_session=lowered),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )

    def _make_runtime_dir(self) -> None:
        """Make the folder of the socket; its name can be guessed, so it must be ours alone."""
        self.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.runtime_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise Unavailable(
                f"{str(self.runtime_dir)!r} belongs to somebody else or is open to others, so the engine's "
                "socket would not be safe there. Remove it, or set TMPDIR to a folder of your own.",
                code="runtime_dir_unsafe",
            )

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the end of the process; return its exit code."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """End vLLM and everything that it started, even what hangs, and clear the runtime folder."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        await asyncio.to_thread(self.end_orphans)

    def _niceness(self) -> int:
        """Return the priority, for good: only root could raise it again when a training is over.

        Where nothing else wants the processors a low one takes nothing away.
        """
        return _LOWERED if self._settings.training_engine == "lower" else 0

    def arguments(self) -> list[str]:
        """Return vLLM's command line."""
        settings = self._settings
        arguments = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        arguments += ["--model", str(settings.base_model_dir), "--served-model-name", BASE_MODEL_NAME]
        arguments += ["--uds", str(self.socket), "--max-model-len", str(settings.max_model_len)]
        arguments += ["--max-num-seqs", str(settings.max_num_seqs), "--disable-uvicorn-access-log"]
        arguments += ["--dtype", self.dtype()]
        if not _on_gpu():
            arguments += ["--block-size", str(_CPU_BLOCK)]
        arguments += ["--enable-lora", "--max-loras", str(settings.max_loras)]
        arguments += ["--max-cpu-loras", str(max(settings.max_cpu_loras, settings.max_loras))]
        arguments += ["--max-lora-rank", str(settings.max_lora_rank)]
        arguments += ["--worker-extension-cls", "adapters.plugin.worker.AdapterWorker"]
        arguments += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
        arguments += ["--enable-prompt-tokens-details"]
        if self._template is not None:
            arguments += ["--chat-template", str(self._template)]
        return arguments + shlex.split(settings.engine_args)

    def dtype(self) -> str:
        """Return the number format for the engine.

        In bfloat16 the size of a batch alone moves log-probabilities by up to 0.4 while decoding; in
        float32 an answer does not depend on who else is served (docs/adr/0003-float32-on-cpu.md).
        """
        settings = self._settings
        if settings.engine_dtype != "auto" or _on_gpu():
            return settings.engine_dtype
        weights = sum(path.stat().st_size for path in settings.base_model_dir.glob("*.safetensors"))
        return "float32" if weights <= _SMALL_BASE_BYTES else "auto"

    def environment(self) -> dict[str, str]:
        """Return the environment of vLLM: ours, and what its plug-in must know."""
        settings = self._settings
        return {
            **os.environ,
            "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
            "VLLM_NO_USAGE_STATS": "1",
            "SPT_NOENV": "1",  # else vLLM's process titles overwrite the environment that carries the lease
            "VLLM_PLUGINS": "repertory,repertory_routes",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gib),
            "REPERTORY_PLUGIN_ADAPTERS_DIR": str(settings.adapters_dir.resolve()),
            LEASE: str(self.runtime_dir),
            **({"VLLM_CPU_OMP_THREADS_BIND": settings.engine_threads} if settings.engine_threads else {}),
        }

    def last_words(self, lines: int = 3) -> str:
        """Return the end of vLLM's log, for a person who asks why it stopped."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, self.log_path.stat().st_size - 4000))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())


def _on_gpu(device: Path = _GPU) -> bool:
    """Tell whether vLLM will run on a GPU: there is one, and the build that is installed is not that for CPU."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        metadata.version("vllm-cpu")
        return False
    return device.exists()


def runtime_dir(data_dir: Path) -> Path:
    """Return the private folder of one data directory's sockets; short, as their paths may have 108 bytes."""
    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"repertory-{os.getuid()}-{digest}"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _lease(process: psutil.Process) -> str | None:
    try:
        environment: Mapping[str, str] = process.environ()
    except (psutil.Error, OSError):
        return None
    return environment.get(LEASE)
