"""Names that reach the registry's folder, and names that must not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.plugin.naming import version_folder

ROOT = Path("/registry")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("scrum-coach@3", "scrum-coach/3"), ("a@0", "a/0"), ("7days@12", "7days/12"), ("a@007", "a/7")],
)
def test_a_well_formed_name_means_its_folder(name: str, folder: str) -> None:
    assert version_folder(ROOT, name) == ROOT / folder


@pytest.mark.parametrize(
    "name",
    [
        "scrum-coach",
        "../x@1",
        "/etc/passwd",
        "/abs@1",
        "a/../b@1",
        "a@1/..",
        "A@1",
        "-a@1",
        "a@",
        "@1",
        "a@-1",
        "a@1\n",
        "a@१",
        "é@1",
        "a@1@2",
        "",
    ],
)
def test_any_other_name_means_nothing(name: str) -> None:
    assert version_folder(ROOT, name) is None


@given(st.text())
def test_no_name_leaves_the_registry(name: str) -> None:
    folder = version_folder(ROOT, name)
    assert folder is None or folder.parent.parent == ROOT
