"""JSON files that are whole or absent."""

import json
import os
from pathlib import Path


def write_json(path: Path, content: object) -> None:
    """Write `content` beside `path`, then rename, so that a reader never sees half a file."""
    beside = path.with_name(f"{path.name}.tmp")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
