"""The embedding process: an embedding model behind lanes of pipes.

Run as `python -m retrieval.embedder_process MODEL_DIR THREADS DTYPE KEPT_IN BULK_IN BULK_OUT [RERANKER_DIR
PAIRS_IN PAIRS_OUT]`; an empty KEPT_IN keeps nothing. The lane on stdin and stdout serves queries, the next one
passages, and the last one, where a reranker is configured, pairs of both; each by a thread of its own, so that a
query never waits for a batch. It knows frames and its models; never the database.
"""

import ctypes
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from retrieval.embedding_model import EmbeddingModel, opened
from retrieval.frames import Kind, PipeBrokenError, read_frame, write_frame
from retrieval.pair_model import PairModel

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Load the model, say hello on the first lane, and serve both until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes us
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Written before the libraries are imported: a missing file must not go online.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    folder, threads, dtype = Path(arguments[0]), int(arguments[1]), arguments[2]
    kept_in = Path(arguments[3]) if arguments[3] else None
    bulk_in, bulk_out = map(int, arguments[4:6])
    queries_in, queries_out = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what a library prints goes to the log, not between the frames
    threading.Thread(target=_die_with_parent, args=(queries_in,), daemon=True).start()
    made = opened(folder, threads=threads, dtype=dtype, kept_in=kept_in)
    model = made.model
    hello = {
        "model_id": model.identity,
        "dimensions": model.dimensions,
        "eight_bit_problem": made.problem,
        "reranker_problem": _start_reranker(arguments[6:]),
    }
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


def _embedded(model: EmbeddingModel, payload: bytes) -> tuple[Kind, bytes]:
    return Kind.VECTORS, model.encode(json.loads(payload)).tobytes()


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


if __name__ == "__main__":
    main(sys.argv[1:])
