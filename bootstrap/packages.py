"""Installs exactly what a lock file says, without resolving. Owns the talk with pip."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap import child
from bootstrap.failure import SetupFailed
from bootstrap.progress import Step

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of CPU builds, asked when pip's configured places have no such build."""

_BATCH = 40  # what one pip call installs; an interrupted set-up repeats at most this many
_NOT_FOUND = "No matching distribution found"


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a lock file."""

    name: str
    version: str

    @property
    def requirement(self) -> str:
        """The pin as pip reads it."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment."""

    root: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / "bin" / "python"

    @property
    def log(self) -> Path:
        """Where everything that pip said is kept."""
        return self.root / "install.log"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        return next((self.root / "lib").glob("python3*/site-packages"))


def read_lock(path: Path) -> list[Pin]:
    """Read the pins of a lock file."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [
        Pin(_canonical(name), version) for name, _, version in (line.partition("==") for line in lines if line)
    ]


def installed(environment: Environment) -> set[Pin]:
    """Tell what is completely installed (pip writes `RECORD` last)."""
    found = set()
    for folder in environment.site_packages.glob("*.dist-info"):
        if (folder / "RECORD").is_file():
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found.add(Pin(_canonical(name), version))
    return found


def install(environment: Environment, lock: Path) -> None:
    """Install what `lock` says and is not there yet.

    Raises:
        SetupFailed: a package could not be had; what was installed stays.
    """
    pins = read_lock(lock)
    _remove_torn(environment)
    missing = [pin for pin in pins if pin not in installed(environment)]
    if not missing:
        return
    with Step(f"Installing {len(pins)} packages") as step:
        for batch in _batches(missing):
            _install_batch(environment, batch, frozenset(pins), step)


def install_project(environment: Environment, root: Path) -> None:
    """Install the project itself, editable, with the build tool that the lock brought.

    Raises:
        SetupFailed: pip refused.
    """
    with Step("Linking Repertory into the environment"):
        failure = _pip(environment, "install", "--no-deps", "--no-build-isolation", "--editable", str(root))
        if failure is not None:
            raise SetupFailed(_sentence("Repertory itself", failure, environment))


def _batches(missing: list[Pin]) -> list[list[Pin]]:
    torch = [pin for pin in missing if pin.name == "torch"]
    others = [pin for pin in missing if pin.name != "torch"]
    return [torch] * bool(torch) + [others[at : at + _BATCH] for at in range(0, len(others), _BATCH)]


def _install_batch(environment: Environment, batch: Sequence[Pin], all_pins: frozenset[Pin], step: Step) -> None:
    current = batch[0].requirement

    def on_line(line: str) -> None:
        nonlocal current
        if match := re.match(r"Collecting (\S+)", line):
            current = match[1]

    def on_tick() -> None:
        step.at(f"{len(all_pins & installed(environment))}/{len(all_pins)}, at {current}")

    # Python compiles what is imported when it is imported; compiling everything here doubles the time.
    command = ("install", "--no-deps", "--no-compile", *(pin.requirement for pin in batch))
    failure = _pip(environment, *command, on_line=on_line, on_tick=on_tick)
    if failure is not None and _NOT_FOUND in failure and batch[0].version.endswith("+cpu"):
        failure = _pip(environment, *command, "--index-url", TORCH_INDEX, on_line=on_line, on_tick=on_tick)
    if failure is not None:
        raise SetupFailed(_sentence(current, failure, environment))


def _pip(
    environment: Environment,
    verb: str,
    *arguments: str,
    on_line: child.Listener = child.ignore,
    on_tick: child.Ticker = child.nothing,
) -> str | None:
    """Run pip; return None, or its reason for failing."""
    scratch = environment.root / "tmp"  # on the disk that was checked, not on a small /tmp
    scratch.mkdir(exist_ok=True)
    quiet = {
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_USER": "0",
        "TMPDIR": str(scratch),
    }
    command = [str(environment.python), "-m", "pip", verb, "--progress-bar", "off", *arguments]
    try:
        code, lines = child.run(
            command, log=environment.log, env={**os.environ, **quiet}, on_line=on_line, on_tick=on_tick
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if code == 0:
        return None
    if any("Retrying (" in line for line in lines):
        return "the network does not answer; check it"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return errors[-1] if errors else (lines[-1] if lines else f"pip ended with {code}")


def _sentence(what: str, reason: str, environment: Environment) -> str:
    return (
        f"Installing {what} failed ({reason.rstrip('.')}): run the same command again and it goes on from "
        f"here; if it stays, {str(environment.log)!r} has all that pip said."
    )


def _remove_torn(environment: Environment) -> None:
    """Forget packages whose installation was cut off; pip would take them for complete."""
    for folder in environment.site_packages.glob("*.dist-info"):
        if not (folder / "RECORD").is_file():
            shutil.rmtree(folder)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
