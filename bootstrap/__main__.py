"""`python -m bootstrap`: make the checkout ready to run; a second call finds nothing to do.

Owns the order of the steps and the stamp that says they are done. The stamp is a hash of what went
in (lock file, project file, interpreter), so that a changed lock is installed and nothing else is.
"""

import argparse
import subprocess
import sys
import venv

from bootstrap import machine, packages
from bootstrap.checkout import ROOT, alone, digest, read_stamp, write_stamp
from bootstrap.failure import SetupFailed
from bootstrap.machine import Compute
from bootstrap.packages import Environment
from bootstrap.progress import Step


def main(arguments: list[str] | None = None) -> int:
    """Set the checkout up and return the exit code."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=main.__doc__)
    parser.add_argument("--compute", choices=[c.value for c in Compute], help="default: what the machine has")
    options = parser.parse_args(arguments)
    compute = compute_of(options.compute)
    try:
        with alone():
            _install(Environment(ROOT / ".venv"), compute)
            return _prepare_models(Environment(ROOT / ".venv"))
    except SetupFailed as failure:
        print(f"Set-up stopped. {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Set-up stopped. {error}: mend that and run the same command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up was interrupted. Run the same command again and it goes on from here.", file=sys.stderr)
        return 130


def compute_of(asked: str | None, environment: Environment | None = None) -> Compute:
    """Return what to install for: what was asked for, now or at the last set-up, or else what the machine has."""
    stamp = (environment or Environment(ROOT / ".venv")).root / "repertory.json"
    known = asked or read_stamp(stamp).get("compute")
    return Compute(known) if known else machine.detect_compute()


def _install(environment: Environment, compute: Compute) -> None:
    lock = ROOT / "requirements" / f"{compute}.lock"
    stamp = environment.root / "repertory.json"
    wanted = {"lock": digest(lock), "project": digest(ROOT / "pyproject.toml"), "compute": compute.value}
    done = read_stamp(stamp) if _works(environment) else {}
    if done == wanted:
        return
    machine.check_platform()
    machine.check_compiler()
    if done.get("lock") != wanted["lock"]:
        # vLLM's builds for CPU and GPU overwrite each other's files, so neither is installed over the other.
        anew = done.get("compute", compute.value) != compute.value
        _make_environment(environment, machine.DISK_NEEDED[compute], anew=anew)
        write_stamp(stamp, {"compute": compute.value})
        packages.install(environment, lock)
        write_stamp(stamp, {"lock": wanted["lock"], "compute": compute.value})
    packages.install_project(environment, ROOT)
    write_stamp(stamp, wanted)


def _make_environment(environment: Environment, disk_needed: int, *, anew: bool) -> None:
    if not anew and _works(environment):
        machine.check_disk(ROOT, disk_needed // 4)  # a part is there already
        return
    machine.check_disk(ROOT, disk_needed)
    with Step(f"Making the virtual environment {environment.root.name} (Python {sys.version.split()[0]})"):
        try:
            venv.create(environment.root, clear=True, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SetupFailed(f"The virtual environment could not be made ({error}).") from error


def _prepare_models(environment: Environment) -> int:
    return subprocess.run([str(environment.python), "-m", "bootstrap.models"], cwd=ROOT, check=False).returncode


def _works(environment: Environment) -> bool:
    """Tell whether the environment's interpreter runs and has pip."""
    if not environment.python.exists():
        return False
    probe = [
        str(environment.python),
        "-c",
        "import importlib.util as u; raise SystemExit(u.find_spec('pip') is None)",
    ]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
