"""A sentence encoder in eight bits, run by ONNX Runtime.

Owns that library; knows how a graph is got and run, not what is in it.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from retrieval.eight_bit.encoder import Array, Encoder, UnfitError
from retrieval.eight_bit.kept_graph import KeptGraph
from retrieval.records import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LOG = logging.getLogger(__name__)
RECIPE = "int8-1"
"""Names the way in which graphs are built. Whoever changes the vectors must change it."""

UNFIT = 3
"""Exit code of the process that builds: this model cannot be had in eight bits."""
_ERRORS_ONLY = 3


class Session(Protocol):
    """What of ONNX Runtime's session is used."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, npt.NDArray[np.int64]]) -> Sequence[Array]:
        """Return the outputs that are named."""


class EightBitModel:
    """One encoder that several threads may ask at once.

    Args:
        folder: of the model, in sentence-transformers' form.
        name: of its weights and files; another name is another model.
        threads: of the processor, for one text.
        kept_in: the folder that keeps the graph from one start to the next; without one it is built each time.

    Raises:
        UnfitError: the model cannot be had in eight bits.
        RuntimeError: the graph could not be built for another reason.
    """

    def __init__(self, folder: Path, name: str, *, threads: int, kept_in: Path | None) -> None:
        encoder = Encoder.read(folder)
        self.identity = f"{name}/{RECIPE}/{encoder.window}"
        self.dimensions = encoder.hidden
        self._tokenizer = tokenizer(encoder)
        self._session = session(_graph(folder, f"{name}-{RECIPE}", kept_in), threads)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text. That of a text does not depend on the others."""
        rows = [self._vector(text.ids) for text in self._tokenizer.encode_batch(list(texts))]
        return np.concatenate(rows) if rows else np.empty((0, self.dimensions), np.float32)

    def _vector(self, ids: Sequence[int]) -> Vectors:
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

        try:
            return self._session.run(["vector"], {"ids": np.array([ids], np.int64)})[0]
        except (Fail, RuntimeException) as error:
            raise RuntimeError(str(error)) from error


def session(graph: bytes, threads: int) -> Session:
    """Return a session that runs a graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    # Threads that wait for work by spinning would take the processor from the engine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    running: Session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return running


def tokenizer(encoder: Encoder) -> "Tokenizer":
    """Return the tokenizer beside a model, which cuts texts at its window."""
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(encoder.folder / "tokenizer.json"))
    words.no_padding()
    words.enable_truncation(encoder.window)
    return words


def _graph(folder: Path, name: str, kept_in: Path | None) -> bytes:
    kept = KeptGraph(kept_in, name) if kept_in else None
    if kept and (found := kept.read()):
        return found
    built = _built(folder)
    if kept:
        try:
            kept.write(built)
        except OSError as error:  # a full disk costs the next start some seconds, and nothing now
            _LOG.warning("the graph in eight bits cannot be kept in %r: %s", str(kept_in), error.strerror)
    return built


def _built(folder: Path) -> bytes:
    command = [sys.executable, "-m", "retrieval.eight_bit.building", str(folder), str(os.getpid())]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode == UNFIT:
        raise UnfitError(done.stdout.decode())
    if done.returncode != 0:
        raise RuntimeError(f"The graph in eight bits was not built: its process ended with {done.returncode}.")
    return done.stdout
