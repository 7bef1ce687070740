"""Every client of the matrix, run in its own environment against a gateway with keys."""

import json
import re

import pytest

from bootstrap.clients import LOCK, NODE_SOURCES
from bootstrap.packages import read_lock
from tests.clients.expected import EXPECTED, ON_NODE, Expected
from tests.clients.runs import DOCUMENT, Client

pytestmark = pytest.mark.timeout(600)  # generous: two cores that others use, too, take ten times as long
_ROW = re.compile(r"^\| `([\w-]+)` \| ([\d.]+) \| [^|]+ \| (\d+) \| (\d+) \|$", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_client_passes_its_tests_and_skips_only_what_is_listed(client: Client, name: str) -> None:
    outcome = client.node_suite(name) if name == ON_NODE else client.suite(name)
    assert outcome.failed == {}, outcome.said[-20_000:]
    assert Expected(outcome.passed, outcome.skipped) == EXPECTED[name], outcome.said[-5_000:]


def test_the_document_shows_these_figures_and_the_locked_releases() -> None:
    releases = {pin.name: pin.version for pin in read_lock(LOCK)}
    node = json.loads((NODE_SOURCES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    releases["ai"] = node["node_modules/ai"]["version"]
    names = {"langchain": "langchain-openai", ON_NODE: "ai"}
    expected = {
        names.get(name, name): (releases[names.get(name, name)], str(one.passed), str(len(one.skipped)))
        for name, one in EXPECTED.items()
    }
    page = DOCUMENT.read_text(encoding="utf-8")
    assert {name: (release, *figures) for name, release, *figures in _ROW.findall(page)} == expected
    assert f"`langchain-tests` {releases['langchain-tests']} " in page
