"""The installer against real pip, a real environment and wheels made here."""

import base64
import hashlib
import venv
import zipfile
from pathlib import Path

import pip
import pytest

from bootstrap import packages
from bootstrap.failure import SetupFailed
from bootstrap.packages import Environment, Pin


def make_wheel(folder: Path, name: str, version: str) -> None:
    module, info = f"{name}.py", f"{name}-{version}.dist-info"
    facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: never-made\n"
    files = {
        module: f"VERSION = {version!r}\n",
        f"{info}/METADATA": facts,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}")
        wheel.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False)
    environment = Environment(folder / "venv")
    # The pip of these tests, lent to the new environment: bringing in one of its own takes ten seconds.
    (folder / "lent").mkdir()
    (folder / "lent" / "pip").symlink_to(Path(pip.__file__).parent)
    (environment.site_packages / "lent.pth").write_text(f"{folder / 'lent'}\n")
    return environment


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def lock_of(tmp_path: Path, *lines: str) -> Path:
    lock = tmp_path / "some.lock"
    lock.write_text("# a comment\n" + "\n".join(lines) + "\n")
    return lock


def test_a_missing_package_ends_in_one_sentence_and_the_next_run_goes_on(
    environment: Environment, wheels: Path, tmp_path: Path
) -> None:
    lock = lock_of(tmp_path, "alpha==1.0", "beta==2.0")
    make_wheel(wheels, "alpha", "1.0")
    with pytest.raises(SetupFailed) as failure:
        packages.install(environment, lock)
    assert "beta==2.0" in str(failure.value)
    assert "run the same command again" in str(failure.value)
    assert "\n" not in str(failure.value)

    make_wheel(wheels, "beta", "2.0")
    packages.install(environment, lock)
    assert {Pin("alpha", "1.0"), Pin("beta", "2.0")} <= packages.installed(environment)


def test_dependencies_are_not_resolved(environment: Environment, wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "gamma", "1.0")  # it asks for `never-made`
    packages.install(environment, lock_of(tmp_path, "gamma==1.0"))
    assert Pin("gamma", "1.0") in packages.installed(environment)


def test_a_package_whose_installation_was_cut_off_is_installed_again(
    environment: Environment, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "delta", "1.0")
    lock = lock_of(tmp_path, "delta==1.0")
    packages.install(environment, lock)
    (environment.site_packages / "delta-1.0.dist-info" / "RECORD").unlink()
    (environment.site_packages / "delta.py").write_text("half")

    packages.install(environment, lock)
    assert (environment.site_packages / "delta.py").read_text() == "VERSION = '1.0'\n"


def test_another_version_in_the_lock_replaces_the_installed_one(
    environment: Environment, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "epsilon", "1.0")
    make_wheel(wheels, "epsilon", "1.1")
    packages.install(environment, lock_of(tmp_path, "epsilon==1.1"))
    packages.install(environment, lock_of(tmp_path, "epsilon==1.0"))
    assert Pin("epsilon", "1.0") in packages.installed(environment)
    assert Pin("epsilon", "1.1") not in packages.installed(environment)


def test_nothing_is_asked_of_pip_when_everything_is_there(
    environment: Environment, wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(wheels, "zeta", "1.0")
    lock = lock_of(tmp_path, "zeta==1.0")
    packages.install(environment, lock)
    before = environment.log.stat().st_size
    capsys.readouterr()
    packages.install(environment, lock)
    assert environment.log.stat().st_size == before
    assert capsys.readouterr().out == ""
