"""Legal, unique and stable function names for operations whose own ids may be anything."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from actions.errors import DocumentInvalid

MAX_NAME = 64
NOTHING = "none"
"""The word with which a model declines to call anything; no operation may be named so."""

_DIGEST = 6


def unique_names(operations: Sequence[tuple[str, str]]) -> list[str]:
    """Name operations, given as (id, key) pairs whose keys are unique (`METHOD /path`).

    An id that is a legal name is kept. What had to be changed and then meets another name, is too long,
    or says "none", gets six characters of a hash over its key. So the order of the document renames nothing, and
    an operation that is added renames at most one whose illegal id comes to the same name.
    """
    plain = [_legal(operation_id) for operation_id, _ in operations]
    counts = Counter(name.lower() for name in plain)
    owners = Counter(operation_id for operation_id, _ in operations)
    names = []
    for (operation_id, key), name in zip(operations, plain, strict=True):
        alone = counts[name.lower()] == 1 or (operation_id == name and owners[operation_id] == 1)
        keep = alone and 0 < len(name) <= MAX_NAME and name.lower() != NOTHING
        names.append(name if keep else _with_digest(name, key))
    _refuse_equal(names)
    return names


def _legal(operation_id: str) -> str:
    if re.fullmatch(r"[a-zA-Z0-9_-]+", operation_id):
        return operation_id
    return re.sub(r"[^a-zA-Z0-9]+", "_", operation_id).strip("_")


def _with_digest(name: str, key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST]
    return f"{name[: MAX_NAME - _DIGEST - 1].rstrip('_-') or 'operation'}_{digest}"


def _refuse_equal(names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise DocumentInvalid(f"{count} operations come to the name {name!r}. Give them names with `name:`.")
