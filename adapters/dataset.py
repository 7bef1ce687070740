"""Training data: chat JSONL in OpenAI's supervised format, read with a finding for each fault.

Owns the file: encoding, lines, JSON, and what holds for the whole set. What holds for one example is
`adapters.example`. Must never know a tokenizer or a template.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters.example import Example, Finding, JsonValue, Severity, check_example
from core.errors import InvalidRequest

MAX_LINE_BYTES = 1_000_000
MAX_FILE_BYTES = 512_000_000
_SHOWN = 20


class DatasetInvalid(InvalidRequest):
    """A data set cannot be trained on; `findings` says where and why."""

    code = "dataset_invalid"

    def __init__(self, path: Path, findings: tuple[Finding, ...]) -> None:
        lines = [f"{path.name}:{found}" for found in findings[:_SHOWN]]
        if len(findings) > _SHOWN:
            lines.append(f"… and {len(findings) - _SHOWN} more.")
        super().__init__(f"The data set {path.name!r} has {len(findings)} faults. Mend them:\n" + "\n".join(lines))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Dataset:
    """Checked examples.

    Attributes:
        name: the file's name.
        sha256: hash of the file's bytes.
        examples: every example, in the file's order.
        findings: every finding, warnings included.
    """

    name: str
    sha256: str
    examples: tuple[Example, ...]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that forbid training."""
        return tuple(found for found in self.findings if found.severity is Severity.ERROR)


def check_dataset(path: Path) -> Dataset:
    """Read `path` and note every fault instead of stopping at the first.

    Raises:
        InvalidRequest: there is no such file, or it is over the size limit.
    """
    if not path.is_file():
        raise InvalidRequest(f"There is no data set {str(path)!r}. Name a JSONL file.", code="dataset_missing")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidRequest(
            f"The data set {path.name!r} is over {MAX_FILE_BYTES // 1_000_000} MB. Split it.",
            code="dataset_too_large",
        )
    content = path.read_bytes()
    examples: list[Example] = []
    findings: list[Finding] = []
    for line, text in _lines(content, findings):
        example = _parse(line, text, findings)
        if example is not None:
            examples.append(example)
    findings.extend(_about_the_set(examples, findings))
    findings.sort(key=lambda found: found.line)
    return Dataset(path.name, hashlib.sha256(content).hexdigest(), tuple(examples), tuple(findings))


def read_dataset(path: Path) -> Dataset:
    """Read a data set that is fit for training.

    Raises:
        DatasetInvalid: it has faults.
        InvalidRequest: there is no such file, or it is over the size limit.
    """
    dataset = check_dataset(path)
    if dataset.faults:
        raise DatasetInvalid(path, dataset.faults)
    return dataset


def _lines(content: bytes, findings: list[Finding]) -> Iterator[tuple[int, str]]:
    if content.startswith(b"\xef\xbb\xbf"):
        findings.append(Finding.warning(1, "", "byte_order_mark", "The file starts with a byte order mark."))
        content = content[3:]
    for number, raw in enumerate(content.split(b"\n"), start=1):
        line = raw.rstrip(b"\r")
        if not line.strip():
            if number <= content.count(b"\n"):
                findings.append(Finding.warning(number, "", "blank_line", "The line is blank."))
            continue
        if len(line) > MAX_LINE_BYTES:
            findings.append(
                Finding.error(number, "", "line_too_long", f"The line is over {MAX_LINE_BYTES} bytes.")
            )
            continue
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError as error:
            reason = f"Byte {error.start} is not UTF-8. Save the file as UTF-8."
            findings.append(Finding.error(number, "", "not_utf8", reason))


def _parse(line: int, text: str, findings: list[Finding]) -> Example | None:
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_unique_keys)
    except _DuplicateKeyError as error:
        found = Finding.error(line, "", "duplicate_json_key", f"The key {error.key!r} stands twice in one object.")
        findings.append(found)
        return None
    except json.JSONDecodeError as error:
        findings.append(Finding.error(line, "", "invalid_json", f"Not JSON at column {error.colno}: {error.msg}."))
        return None
    except RecursionError:
        findings.append(Finding.error(line, "", "too_deep", "The JSON is nested too deeply."))
        return None
    example, found_here = check_example(line, value)
    findings.extend(found_here)
    return example


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def _about_the_set(examples: list[Example], findings: list[Finding]) -> Iterator[Finding]:
    if not examples and not any(found.severity is Severity.ERROR for found in findings):
        yield Finding.error(1, "", "empty", "The file has no examples.")
    systems = {example.system for example in examples}
    if len(systems) > 1:
        yield Finding.warning(
            1,
            "messages[0].content",
            "several_system_prompts",
            f"The set has {len(systems)} different system prompts; a persona serves with one.",
        )
