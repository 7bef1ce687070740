"""The findings about one row, gathered while it is read, and what a row tells of itself."""

from dataclasses import dataclass, field

from adapters.datasets.example import About, JsonValue
from adapters.datasets.finding import Finding

_KEYS = {"id", "label", "group", "reviewer", "tags", "metadata", "tools", "parallel_tool_calls"}
LABEL = "label"
"""The key that a row's intent or class stands under, unless another is named."""


@dataclass(slots=True)
class Row:
    """One line that is being checked.

    Attributes:
        line: its number, from 1.
        label_key: the key of its label.
        findings: what was found so far.
    """

    line: int
    label_key: str = LABEL
    findings: list[Finding] = field(default_factory=list)
    faulty: bool = False

    def error(self, where: str, code: str, message: str) -> None:
        """Note what forbids training."""
        self.faulty = True
        self.findings.append(Finding.error(self.line, where, code, message))

    def warn(self, where: str, code: str, message: str) -> None:
        """Note a doubt."""
        self.findings.append(Finding.warning(self.line, where, code, message))

    def about(self, value: dict[str, JsonValue], own: set[str]) -> About:
        """Read what the row tells of itself; doubt keys that are neither usual nor the format's `own`."""
        for key in sorted(value.keys() - _KEYS - own - {self.label_key}):
            self.warn(key[:64], "unrecognized_key", f"The key {key[:64]!r} is unknown and ignored.")
        metadata = value.get("metadata")
        told = {**(metadata if isinstance(metadata, dict) else {}), **value}
        tags = told.get("tags")
        return About(
            label=_word(told.get(self.label_key)),
            group=_word(told.get("group")),
            reviewer=_word(told.get("reviewer")),
            tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        )


def _word(value: JsonValue) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None
