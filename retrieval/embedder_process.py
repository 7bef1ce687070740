"""The embedding process: sentence-transformers behind lanes of pipes.

Run as `python -m retrieval.embedder_process MODEL_DIR THREADS DTYPE BULK_IN BULK_OUT [RERANKER_DIR PAIRS_IN
PAIRS_OUT]`. The lane on stdin and stdout serves queries, the next one passages, and the last one, where a reranker
is configured, pairs of both; each by a thread of its own, so that a query never waits for a batch. It knows frames
and its models; never the database. Nothing else of retrieval's imports torch.
"""

import ctypes
import hashlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from retrieval.frames import Kind, PipeBrokenError, read_frame, write_frame
from retrieval.pair_model import PairModel

_BATCH = 8
_PR_SET_PDEATHSIG = 1


class Model:
    """One sentence-transformers model that several threads may ask at once."""

    def __init__(self, folder: Path, threads: int, dtype: str) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"  # written before the import: a missing file must not go online
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self._model: SentenceTransformer = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": dtype}
        )
        self._model.eval()
        self._inference_mode = torch.inference_mode
        self._tokenizing = threading.Lock()  # a fast tokenizer refuses two callers at once
        self.identity = f"{_digest(folder)}/{dtype}/{self._model.max_seq_length}"
        self.dimensions = len(self.embed(["warm"])) // 4

    def embed(self, texts: list[str]) -> bytes:
        """Return the unit vectors of `texts` as raw float32, in their order."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        rows: list[bytes] = [b""] * len(texts)
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            for index, row in zip(batch, self._forward([texts[index] for index in batch]), strict=True):
                rows[index] = row
        return b"".join(rows)

    def _forward(self, texts: list[str]) -> list[bytes]:
        with self._tokenizing:
            features = self._model.preprocess(texts)
        with self._inference_mode():
            vectors = self._model(features)["sentence_embedding"].float()
            # Once more in float32: a vector normalised in bfloat16 is only about of unit length.
            unit = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
        return [row.tobytes() for row in unit.numpy()]


def main(arguments: list[str]) -> None:
    """Load the model, say hello on the first lane, and serve both until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes us
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    folder, threads, dtype, bulk_in, bulk_out = (
        Path(arguments[0]),
        int(arguments[1]),
        arguments[2],
        *map(int, arguments[3:5]),
    )
    queries_in, queries_out = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what a library prints goes to the log, not between the frames
    threading.Thread(target=_die_with_parent, args=(queries_in,), daemon=True).start()
    model = Model(folder, threads, dtype)
    problem = _start_reranker(arguments[5:])
    hello = {"model_id": model.identity, "dimensions": model.dimensions, "reranker_problem": problem}
    write_frame(queries_out, Kind.HELLO, json.dumps(hello).encode())
    embedded = partial(_embedded, model)
    threading.Thread(target=_serve, args=(embedded, bulk_in, bulk_out), daemon=True).start()
    _serve(embedded, queries_in, queries_out)


def _start_reranker(arguments: Sequence[str]) -> str | None:
    """Load the reranker and serve it, if there is one; return why it cannot be used."""
    if not arguments:
        return None
    folder, pairs_in, pairs_out = Path(arguments[0]), *map(int, arguments[1:3])
    try:
        model = PairModel(folder)
        model.scores("warm", ["warm"])
    except Exception as error:  # whatever is wrong with it, embedding goes on
        os.close(pairs_out)
        return f"{type(error).__name__}: {error}"
    threading.Thread(target=_serve, args=(partial(_scored, model), pairs_in, pairs_out), daemon=True).start()
    return None


def _embedded(model: Model, payload: bytes) -> tuple[Kind, bytes]:
    return Kind.VECTORS, model.embed(json.loads(payload))


def _scored(model: PairModel, payload: bytes) -> tuple[Kind, bytes]:
    query, *texts = json.loads(payload)
    return Kind.SCORES, model.scores(query, texts)


def _serve(answer_to: Callable[[bytes], tuple[Kind, bytes]], source: int, sink: int) -> None:
    try:
        while True:
            _, payload = read_frame(source)
            try:
                answer = answer_to(payload)
            except (RuntimeError, ValueError, TypeError, MemoryError) as error:
                answer = (Kind.ERROR, f"{type(error).__name__}: {error}".encode())
            write_frame(sink, *answer)
    except PipeBrokenError:
        return


def _die_with_parent(descriptor: int) -> None:
    """Leave at once when the parent hangs up, even in the middle of a batch or of loading."""
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    poll.poll()
    os._exit(0)


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".safetensors", ".json", ".txt"} and path.is_file():
            with path.open("rb") as stream:
                total.update(path.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


if __name__ == "__main__":
    main(sys.argv[1:])
