"""The engine's word for an adapter version, `name@version`, and the folder that it means."""

import re
from pathlib import Path

_ENGINE_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)@(?P<version>[0-9]{1,9})", re.ASCII)


def version_folder(root: Path, engine_name: str) -> Path | None:
    """Return the folder of a well-formed name, whether it exists or not; None for any other name.

    The name never becomes a path before it has matched, so it cannot leave `root`.
    """
    match = _ENGINE_NAME.fullmatch(engine_name)
    if match is None:
        return None
    return root / match["name"] / str(int(match["version"]))
