"""A graph that was built, as a file. A cache: whatever is wrong with it, it is built again.

The file is the SHA-256 of the graph, then the graph. Written beside and renamed, so that it is there whole or not.
"""

import hashlib
import os
from pathlib import Path

from core.durable import bring_to_disk

_SUFFIX = ".graph"
_DIGEST = 32


class KeptGraph:
    """The one graph that a folder keeps.

    Args:
        folder: of the cache.
        name: of the model and of the way in which graphs are built; another name is another graph.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}{_SUFFIX}"

    def read(self) -> bytes | None:
        """Return the graph; None if it is not there or damaged."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        found, graph = content[:_DIGEST], content[_DIGEST:]
        return graph if hashlib.sha256(graph).digest() == found else None

    def write(self, graph: bytes) -> None:
        """Keep a graph, in place of what is there.

        Raises:
            OSError: it cannot be written.
        """
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(f".{os.getpid()}.new")
        try:
            beside.write_bytes(hashlib.sha256(graph).digest() + graph)
            bring_to_disk(beside)
            beside.replace(self._path)
        finally:
            beside.unlink(missing_ok=True)
        bring_to_disk(folder)
        for other in folder.glob(f"*{_SUFFIX}"):
            if other != self._path:
                other.unlink(missing_ok=True)
