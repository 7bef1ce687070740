"""What this machine offers: platform, disk, an NVIDIA GPU. Changes nothing."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from enum import StrEnum
from pathlib import Path

from bootstrap.failure import SetupFailed

GIB = 1024**3


class Compute(StrEnum):
    """Which lock file fits the machine."""

    CPU = "cpu"
    GPU = "gpu"


DISK_NEEDED = {Compute.CPU: 8 * GIB, Compute.GPU: 24 * GIB}
"""Bytes that packages, downloads and models take together, with room to spare."""


def check_platform() -> None:
    """Check that the locked packages exist for this machine.

    Raises:
        SetupFailed: they do not, or Python cannot make virtual environments.
    """
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise SetupFailed(f"The locked packages are for Linux on x86_64, and this is {system} on {machine}.")
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupFailed(
            f"This Python cannot make virtual environments: run `apt install python{version}-venv`, then "
            "the same command again."
        )


def check_compiler(compiler: str | None = None, headers: Path | None = None) -> None:
    """Check that the engine can compile: torch writes small parts of vLLM's sampling as C++ and builds them.

    Args:
        compiler: the C++ compiler; the one that torch would take if left out.
        headers: where `Python.h` lies; where this Python has it if left out.

    Raises:
        SetupFailed: there is no C++ compiler, or Python's headers are missing.
    """
    missing = []
    if shutil.which(compiler or os.environ.get("CXX") or "g++") is None:
        missing.append("g++")
    if not ((headers or Path(sysconfig.get_path("include"))) / "Python.h").exists():
        missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-dev")
    if missing:
        raise SetupFailed(
            f"The engine compiles parts of itself when it starts, and {' and '.join(missing)} is missing: run "
            f"`apt install {' '.join(missing)}`, then the same command again."
        )


def check_disk(folder: Path, needed: int) -> None:
    """Check that `needed` bytes are free where `folder` lies.

    Raises:
        SetupFailed: the disk is too full.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupFailed(
            f"Set-up needs {needed / GIB:.1f} GiB in {str(folder)!r} and {free / GIB:.1f} GiB are free: "
            "make room, then run the same command again."
        )


def detect_compute() -> Compute:
    """Tell whether an NVIDIA GPU answers here."""
    if Path("/dev/nvidia0").exists():
        return Compute.GPU
    probe = shutil.which("nvidia-smi")
    if probe is None:
        return Compute.CPU
    listed = subprocess.run([probe, "-L"], capture_output=True, check=False, timeout=20)
    return Compute.GPU if listed.returncode == 0 and listed.stdout.strip() else Compute.CPU
