"""`python -m bootstrap.lock`: resolve what is asked for into the lock files (`make lock`).

Two come from `pyproject.toml`, that of the clients from `requirements/clients.in`. Owns the talk with uv, which it
puts into a small environment of its own. Pins that are there are kept where they still fit; `--upgrade` lets
everything move.
"""

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

from bootstrap.failure import SetupFailed
from bootstrap.packages import TORCH_INDEX
from bootstrap.progress import Step

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
UV = "uv==0.13.9"
PYTHON_VERSION = "3.11"

HEADERS = {
    "cpu": "# Exact versions for machines without a GPU, installed as they stand. Written by `make lock`.\n",
    "gpu": (
        "# Exact versions for machines with an NVIDIA GPU: resolved, not run. Nobody has started\n"
        "# Repertory from this list yet. Written by `make lock`.\n"
    ),
    "clients": "# Exact versions of the clients that tests/clients tries. Written by `make lock`.\n",
}


def main(arguments: list[str] | None = None) -> int:
    """Write the lock files and return the exit code."""
    parser = argparse.ArgumentParser(prog="bootstrap.lock", description=main.__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    parser.add_argument("--uv", type=Path, help="a uv to use instead of installing one")
    options = parser.parse_args(arguments)
    try:
        uv = options.uv or _install_uv(ROOT / ".venv" / "tools")
        for name in HEADERS:
            with Step(f"Resolving requirements/{name}.lock"):
                resolve(uv, name, upgrade=options.upgrade)
    except SetupFailed as failure:
        print(f"Locking stopped. {failure}", file=sys.stderr)
        return 1
    return 0


def resolve(uv: Path, name: str, *, upgrade: bool) -> None:
    """Resolve into `requirements/<name>.lock`.

    Raises:
        SetupFailed: nothing fits, or an index does not answer.
    """
    lock = REQUIREMENTS / f"{name}.lock"
    beside = lock.with_suffix(".new")
    if lock.exists():
        beside.write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")
    command = [str(uv), "pip", "compile", *_asked(name)]
    command += ["--override", f"requirements/overrides-{name}.txt", "--output-file", str(beside)]
    command += ["--python-version", PYTHON_VERSION, "--python-platform", "x86_64-manylinux_2_28"]
    command += ["--no-header", "--no-annotate", "--quiet"] + ["--upgrade"] * upgrade
    try:
        _run_uv(command, fallback_index=TORCH_INDEX if name == "cpu" else None)
        lock.write_text(HEADERS[name] + beside.read_text(encoding="utf-8"), encoding="utf-8")
    finally:
        beside.unlink(missing_ok=True)


def _asked(name: str) -> list[str]:
    """Return where the bounds stand: in a list of the clients' own, or in extras of the project."""
    if name == "clients":
        return ["requirements/clients.in"]
    return ["pyproject.toml", "--extra", name, "--extra", "dev"]


def _run_uv(command: list[str], *, fallback_index: str | None) -> None:
    done = _call([*command, *_find_links()])
    if done.returncode != 0 and fallback_index is not None and "torch" in done.stderr:
        done = _call([*command, "--index", fallback_index, "--index-strategy", "unsafe-best-match"])
    if done.returncode != 0:
        raise SetupFailed(f"uv found no set of versions that fits: {done.stderr.strip()}")


def _call(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _find_links() -> list[str]:
    """Hand on to uv the folders that pip is configured to look in."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    configured = os.environ.get("PIP_FIND_LINKS") or _call(asked).stdout
    return [part for place in configured.split() for part in ("--find-links", place)]


def _install_uv(folder: Path) -> Path:
    uv = folder / "bin" / "uv"
    if not uv.exists():
        with Step(f"Installing {UV}"):
            venv.create(folder, clear=True, with_pip=True)
            done = _call([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", UV])
            if done.returncode != 0:
                raise SetupFailed(f"{UV} could not be installed: {done.stderr.strip().splitlines()[-1]}")
    return uv


if __name__ == "__main__":
    sys.exit(main())
