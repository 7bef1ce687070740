"""What changes for a persona when a document changes, in sentences for the operator who decides."""

from collections.abc import Iterator, Sequence

from actions.operation import Operation

_TOLD = {
    "consequential": "whether a person must approve it",
    "server": "the server that is called",
    "method": "the method",
    "path": "the path",
    "parameters": "its arguments",
    "bindings": "where its arguments go",
    "media_type": "how its body is written",
    "description": "its description",
}


def differences(before: Sequence[Operation], now: Sequence[Operation]) -> list[str]:
    """Return what is new, gone and changed; empty where nothing of it reaches the persona."""
    old, new = ({one.name: one for one in operations} for operations in (before, now))
    return [
        *(f"new: {name} ({new[name].method} {new[name].path})" for name in new if name not in old),
        *(f"gone: {name} ({old[name].method} {old[name].path})" for name in old if name not in new),
        *(line for name in new if name in old for line in _changed(old[name], new[name])),
    ]


def _changed(before: Operation, now: Operation) -> Iterator[str]:
    for field, told in _TOLD.items():
        old, new = getattr(before, field), getattr(now, field)
        if old != new:
            plain = isinstance(old, str | bool) and isinstance(new, str | bool)
            yield f"changed: {now.name}: {told}" + (f" ({old} → {new})" if plain else "")
