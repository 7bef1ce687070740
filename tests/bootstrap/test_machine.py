"""What a machine lacks ends set-up in one sentence that says what to do."""

import sys
from pathlib import Path

import pytest

from bootstrap.__main__ import compute_of
from bootstrap.checkout import write_stamp
from bootstrap.failure import SetupFailed
from bootstrap.machine import GIB, Compute, check_compiler, check_disk, check_platform, detect_compute
from bootstrap.packages import Environment


def test_a_disk_that_is_too_full_is_told_with_both_sizes(tmp_path: Path) -> None:
    check_disk(tmp_path, 1)
    with pytest.raises(
        SetupFailed, match=r"needs 1000000\.0 GiB in .* make room, then run the same command again"
    ):
        check_disk(tmp_path, 1_000_000 * GIB)


def test_a_missing_compiler_or_header_is_named_with_its_package(tmp_path: Path) -> None:
    check_compiler()
    with pytest.raises(SetupFailed, match=r"g\+\+ is missing: run `apt install g\+\+`"):
        check_compiler(compiler="no-such-compiler")
    headers = f"python{sys.version_info.major}.{sys.version_info.minor}-dev"
    with pytest.raises(SetupFailed, match=f"apt install {headers}`"):
        check_compiler(headers=tmp_path)


def test_a_platform_without_locked_packages_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_platform()
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(SetupFailed, match="this is Linux on aarch64"):
        check_platform()


def test_what_was_asked_for_once_stays_for_the_commands_that_do_not_ask(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    assert compute_of(None, environment) is detect_compute()
    write_stamp(tmp_path / "repertory.json", {"lock": "x", "compute": "gpu"})
    assert compute_of(None, environment) is Compute.GPU
    assert compute_of("cpu", environment) is Compute.CPU
