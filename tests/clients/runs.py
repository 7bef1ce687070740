"""Running a client in its own environment, and reading what became of its tests."""

import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.checkout import ROOT
from bootstrap.clients import CLIENTS, NODE_SOURCES, node, node_modules

SUITES = Path(__file__).parent / "suites"
DOCUMENT = ROOT / "docs" / "clients.md"
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of tests came to.

    Attributes:
        passed: how many passed.
        skipped: test → why it was skipped; an expected failure counts as one.
        failed: test → what it said.
        said: all that was printed.
    """

    passed: int
    skipped: Mapping[str, str]
    failed: Mapping[str, str]
    said: str


@dataclass(frozen=True, slots=True)
class Client:
    """Runs other people's programs against a gateway.

    Attributes:
        url: of the gateway, without `/v1`.
        key: for chat and embeddings.
        home: a folder where a program may keep its settings.
    """

    url: str
    key: str
    home: Path

    def suite(self, name: str) -> Outcome:
        """Run the files `suites/test_<name>*.py` with the clients' pytest; they reach nothing but loopback."""
        self.home.mkdir(exist_ok=True)
        report = self.home / "report.xml"
        files = [str(path) for path in sorted(SUITES.glob(f"test_{name}*.py"))]
        command = [str(CLIENTS.python), "-m", "pytest", *files, "-c", str(SUITES / "pytest.ini")]
        done = self.run([*command, "--rootdir", str(SUITES), "--junitxml", str(report)])
        assert report.exists(), done.stdout + done.stderr
        return _outcome(report, done)

    def node_suite(self, name: str) -> Outcome:
        """Run the file `node/<name>.test.mjs` with Node's own test runner."""
        file = f"{name}.test.mjs"
        folder = self.home / "node"
        folder.mkdir(parents=True)
        (folder / "node_modules").symlink_to(node_modules())
        (folder / file).write_bytes((NODE_SOURCES / file).read_bytes())
        report = self.home / "report.xml"
        reporter = ["--test-reporter=junit", f"--test-reporter-destination={report}"]
        done = self.run([str(node()), "--test", *reporter, str(folder / file)])
        assert report.exists(), done.stdout + done.stderr
        return _outcome(report, done)

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a program that knows the gateway's address and key, and nothing of this machine's settings."""
        self.home.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{CLIENTS.root / 'bin'}:{node().parent}:{os.defpath}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "REPERTORY_URL": self.url,
            "REPERTORY_KEY": self.key,
            "REPERTORY_DOCUMENT": str(DOCUMENT),
            "LITELLM_LOCAL_MODEL_COST_MAP": "true",  # otherwise its import asks the internet
            "PYTHONPYCACHEPREFIX": str(CLIENTS.root / "pycache"),
        }
        return subprocess.run(
            command,
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )


def _outcome(report: Path, done: "subprocess.CompletedProcess[str]") -> Outcome:
    cases = [
        (f"{case.get('classname', '')}::{case.get('name', '')}", case)
        for case in ET.parse(report).iter("testcase")
    ]
    skipped, failed = {}, {}
    for name, case in cases:
        if (found := case.find("skipped")) is not None:
            skipped[name] = found.get("message") or ""
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                failed[name] = (found.get("message") or "") + (found.text or "")
    if done.returncode != 0 and not failed:
        failed["the run itself"] = f"ended with {done.returncode}"
    return Outcome(len(cases) - len(skipped) - len(failed), skipped, failed, done.stdout + done.stderr)
