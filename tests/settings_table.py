"""The README's table of settings, made from the code: `python -m tests.settings_table` writes it anew."""

from pathlib import Path

from pydantic.fields import FieldInfo

from server.settings import ROOT, Settings

README = ROOT / "README.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def rows() -> list[str]:
    """Return the lines of the table."""
    lines = ["| variable | default | bounds | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        cells = (f"`REPERTORY_{name.upper()}`", _default(field), _bounds(field), field.description or "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def written(readme: str) -> list[str]:
    """Return the lines that stand between the marks in `readme`."""
    return readme.partition(BEGIN)[2].partition(END)[0].strip().splitlines()


def rewritten(readme: str) -> str:
    """Return `readme` with the table as the code has it."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "\n".join([head + BEGIN, *rows(), END + tail])


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, Path):
        value = value.relative_to(ROOT) if value.is_absolute() else value
        return "the checkout" if value == Path() else f"`{value}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if getattr(item, "ge", None) is not None), None)
    high = next((item.le for item in field.metadata if getattr(item, "le", None) is not None), None)
    words = next((item.pattern for item in field.metadata if getattr(item, "pattern", None)), None)
    if words is not None:
        return ", ".join(f"`{word}`" for word in str(words).strip("^$()").split("|"))
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if low is not None else ""


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
