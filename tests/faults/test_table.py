"""The list of faults in the docs and the tests are the same list."""

import ast
import re

from tests.engine.server import ROOT

_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def _listed() -> set[tuple[str, str]]:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    return {
        (f"tests/{path}" if "/" in path else f"tests/faults/{path}", name) for path, name in _TEST.findall(text)
    }


def _tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


def test_every_fault_that_is_listed_has_its_test() -> None:
    listed = _listed()
    assert len(listed) > 30
    assert [entry for entry in sorted(listed) if entry[1] not in _tests(entry[0])] == []


def test_every_test_of_a_fault_is_listed() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "faults").glob("test_*.py")]
    made = {(path, name) for path in files for name in _tests(path) if not path.endswith("test_table.py")}
    assert sorted(made - _listed()) == []
