"""The README promises nothing without a test, and the list of promises is the README's."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from server.settings import ROOT
from tests.promises import PROMISES, Promise

_MARK = re.compile(r"\s*<!-- promise: (\S+) -->")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def marked(text: str) -> dict[str, str]:
    """Return id → all words before the mark, of every promise in `text`."""
    found: dict[str, str] = {}
    for mark in _MARK.finditer(text):
        assert mark[1] not in found, f"{mark[1]!r} is promised twice"
        found[mark[1]] = " ".join(_COMMENT.sub(" ", text[: mark.start()]).split())
    return found


def faults(text: str, promises: Iterable[Promise], tests: set[str]) -> list[str]:
    """Return what is wrong between a text, the list of promises and the tests that exist."""
    said = marked(text)
    listed = {promise.id: promise for promise in promises}
    wrong = [f"{name}: in the text, not in the list" for name in said.keys() - listed.keys()]
    wrong += [f"{name}: in the list, not in the text" for name in listed.keys() - said.keys()]
    for promise in listed.values():
        if promise.id in said and not said[promise.id].endswith(promise.sentence):
            wrong.append(f"{promise.id}: the text says {said[promise.id][-160:]!r}")
        if not promise.tests:
            wrong.append(f"{promise.id}: no test")
        wrong += [f"{promise.id}: no test {test!r}" for test in promise.tests if not _exists(test, tests)]
    return sorted(wrong)


def _exists(test: str, tests: set[str]) -> bool:
    return any(known == test or known.startswith((f"{test}::", f"{test}/")) for known in tests)


def _collected(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{path.relative_to(ROOT).as_posix()}::{node.name}"


def test_every_promise_of_the_readme_has_tests_and_every_listed_one_is_in_the_readme() -> None:
    assert faults(README, PROMISES, set(_collected(ROOT / "tests"))) == []


def test_no_promise_is_listed_twice() -> None:
    names = [promise.id for promise in PROMISES]
    assert sorted(names) == sorted(set(names))


def test_the_check_finds_each_kind_of_fault() -> None:
    text = "First. It\nworks.<!-- promise: works --> More. It sings. <!-- promise: sings -->\n"
    tests = {"tests/a.py::test_it_works", "tests/b/c.py::test_it_sings"}
    works = Promise("works", "It works.", ("tests/a.py::test_it_works",))
    sings = Promise("sings", "works. More. It sings.", ("tests/b",))
    assert faults(text, [works, sings], tests) == []
    assert faults(text, [works], tests) == ["sings: in the text, not in the list"]
    third = Promise("third", "x", ("tests/b/c.py",))
    assert faults(text, [works, sings, third], tests) == ["third: in the list, not in the text"]
    other_words = Promise("works", "It shines.", ("tests/a.py",))
    assert faults(text, [other_words, sings], tests) == ["works: the text says 'First. It works.'"]
    half_a_name = Promise("works", "It works.", ("tests/a.py::test_it",))
    assert faults(text, [half_a_name, sings], tests) == ["works: no test 'tests/a.py::test_it'"]
    unproven = Promise("works", "It works.", ())
    assert faults(text, [unproven, sings], tests) == ["works: no test"]


def test_the_readme_has_no_open_places() -> None:
    assert re.findall(r"<!-- record:.*?-->", README) == []
