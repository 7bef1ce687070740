"""OpenVINO over a graph, as a process that answers questions; run by the interpreter of its own environment.

Reads a line a turn, the path of token ids (`.npz`, one array a text), and writes the vectors beside it before it
answers with a line.
"""

import sys
from pathlib import Path

import numpy as np
import openvino


def serve(graph: str, threads: int) -> None:
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    model = openvino.Core().compile_model(graph, "CPU", settings)
    for line in sys.stdin:
        asked = Path(line.strip())
        with np.load(asked) as texts:
            rows = [model({"ids": texts[name]})["vector"] for name in texts.files]
        np.save(asked.with_suffix(".npy"), np.concatenate(rows))
        print("done", flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
