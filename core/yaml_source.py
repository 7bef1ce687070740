"""YAML text in, plain data with line numbers out. Refuses what makes YAML dangerous or ambiguous.

Knows no kind of file: aliases, custom tags, duplicate keys, deep nesting and large files are refused for
any document.
"""

from dataclasses import dataclass
from typing import cast

import yaml

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 30

Path = tuple[int | str, ...]


class SourceError(Exception):
    """The text is no acceptable YAML document.

    Attributes:
        line: where, counted from 1.
        field: the dotted place in the document, if known.
    """

    def __init__(self, message: str, line: int, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.field = field


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed document that still knows its lines."""

    data: object
    _root: yaml.Node

    def line(self, path: Path) -> int:
        """Return the line of the value at `path`, or of its nearest parent that exists."""
        node, line = self._root, self._root.start_mark.line
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line + 1


def parse(text: bytes, *, too_long: str = "move long texts to knowledge") -> Source:
    """Parse one YAML document.

    Args:
        text: its bytes.
        too_long: what to do about a file that is.

    Raises:
        SourceError: it is not acceptable; the message says what to write.
    """
    if len(text) > MAX_BYTES:
        raise SourceError(f"the file has {len(text)} bytes, more than {MAX_BYTES}; {too_long}", 1)
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise SourceError("the file is not UTF-8; save it as UTF-8", line) from error
    try:
        _refuse_dangers(decoded)
        loader = yaml.SafeLoader(decoded)
        try:
            root = loader.get_single_node()
            if root is None:
                raise SourceError("the file is empty; write its fields", 1)
            _refuse_duplicates(root, ())
            return Source(loader.construct_document(root), root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SourceError(
            f"no valid YAML: {error.problem or error.context}", mark.line + 1 if mark else 1
        ) from error
    except yaml.YAMLError as error:
        raise SourceError("no valid YAML: a character that YAML does not allow", 1) from error
    except (ValueError, TypeError) as error:
        raise SourceError(f"a value cannot be read: {error}; quote it to make it text", 1) from error


def dotted(path: Path) -> str:
    """Return `path` as people write it: `actions[0].operations`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def _refuse_dangers(text: str) -> None:
    """Walk the events, before anything is built from them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SourceError("anchors (&) and aliases (*) are not read; write the value out", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise SourceError(f"nested more than {_MAX_DEPTH} levels deep", line)


def _refuse_duplicates(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _refuse_duplicates(item, (*path, index))
    if not isinstance(node, yaml.MappingNode):
        return
    first_lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise SourceError("a key must be plain text", line, dotted(path) or None)
        if key.tag == "tag:yaml.org,2002:merge":
            raise SourceError("merge keys (<<) are not read; write the fields out", line, dotted(path) or None)
        place = (*path, cast("str", key.value))
        if key.value in first_lines:
            raise SourceError(
                f"given twice, first in line {first_lines[key.value]}; keep one", line, dotted(place)
            )
        first_lines[key.value] = line
        _refuse_duplicates(value, place)


def _child(node: yaml.Node, part: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line, item
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line, value
    return None
