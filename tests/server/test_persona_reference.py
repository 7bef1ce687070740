"""The reference of persona files tells every field, and its page is current and correct."""

import re
from pathlib import Path

from server.cli.persona_check import check_paths
from server.personas.reference import reference
from server.personas.schema import PersonaSpec
from server.settings import Settings
from tests import persona_reference

PAGE = persona_reference.PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_fields_as_the_code_has_them() -> None:
    assert persona_reference.written(PAGE) == reference(), "run `python -m tests.persona_reference`"


def test_every_field_of_every_part_has_a_line_with_a_meaning() -> None:
    schema = PersonaSpec.model_json_schema()
    objects = [schema, *schema["$defs"].values()]
    named = sum(len(one.get("properties", {})) for one in objects)
    lines = [line for line in reference() if line.startswith("| `")]
    assert len(lines) == named
    assert [line for line in lines if line.endswith("|  |")] == []


def test_the_tables_can_be_written_anew_without_touching_the_rest() -> None:
    page = f"before\n{persona_reference.BEGIN}\nold\n{persona_reference.END}\nafter\n"
    written = persona_reference.rewritten(page)
    assert persona_reference.written(written) == reference()
    assert written.startswith("before\n")
    assert written.endswith(f"{persona_reference.END}\nafter\n")


def test_the_example_of_the_page_is_a_good_persona(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(id: .*?)```", PAGE, flags=re.DOTALL)
    assert len(example) == 1
    file = tmp_path / "release-desk.yaml"
    file.write_text(example[0], encoding="utf-8")
    assert check_paths(Settings(_env_file=None), [file]) == (["release-desk"], [])
