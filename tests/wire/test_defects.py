"""The table of rules and defects is whole, both ways."""

import ast
from pathlib import Path

from tests.wire.defects import TABLE

ROOT = Path(__file__).parents[2]


def _tests_in(path: Path) -> set[str]:
    nodes = ast.parse(path.read_text()).body
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


def _missing(named: str) -> bool:
    module, _, test = named.partition("::")
    path = ROOT / (f"{module}.py" if "/" in module else f"tests/wire/{module}.py")
    return not path.is_file() or test not in _tests_in(path)


def test_every_line_names_tests_that_exist() -> None:
    assert [named for line in TABLE for named in line.tests if _missing(named)] == []
    assert [line.says for line in TABLE if not line.tests or not line.says] == []
    assert {line.kind for line in TABLE} == {"rule", "defect", "client", "conversation", "check"}


def test_the_table_notices_a_test_that_does_not_exist() -> None:
    assert _missing("test_streams::test_nothing")
    assert _missing("tests/server/test_nothing::test_nothing")


def test_every_test_of_the_wire_holds_a_line() -> None:
    named = {one for line in TABLE for one in line.tests}
    ours = {
        f"{path.stem}::{test}" for path in (ROOT / "tests" / "wire").glob("test_*.py") for test in _tests_in(path)
    }
    assert ours - named == set()
