"""Passages embedded in a second: our process and its number formats beside what LangChain's default does."""

import random
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.cloud import passage_texts
from benchmarks.gateway_parts import ROOT
from benchmarks.report import RETRIEVAL, verdict
from benchmarks.section import Bench, Section
from bootstrap.packages import Environment, install
from retrieval import Embedder
from retrieval.eight_bit.encoder import Encoder
from retrieval.eight_bit.graph import IDS, VECTOR, graph
from retrieval.eight_bit.kept_graph import KeptGraph
from retrieval.eight_bit.model import session, tokenizer
from retrieval.embedder import Precision
from retrieval.records import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ROUNDS = 3
_PASSAGES = 256
_GOAL = 2.0
_THREADS = 2
Run = Callable[[Sequence[str]], Vectors]


def _measure(bench: Bench) -> list[str]:
    data = bench.sets()
    drawn = random.Random(5).sample(passage_texts(data), 64 if bench.quick else _PASSAGES)
    arms, closers = _arms()
    try:
        return _compared(arms, drawn, 1 if bench.quick else _ROUNDS)
    finally:
        for close in closers:
            close()


def _compared(arms: dict[str, Run], drawn: Sequence[str], rounds: int) -> list[str]:
    speeds: dict[str, list[float]] = {name: [] for name in arms}
    vectors: dict[str, Vectors] = {name: run(drawn[:16]) for name, run in arms.items()}
    for turn in range(rounds):
        for name in list(arms) if turn % 2 else list(arms)[::-1]:
            began = time.perf_counter()
            vectors[name] = arms[name](drawn)
            speeds[name].append(len(drawn) / (time.perf_counter() - began))
    theirs = statistics.median(speeds["LangChain's default"])
    lines = [
        f"{len(drawn)} passages of the sets as split by us ({statistics.fmean(map(len, drawn)):.0f} characters),",
        "all arms by turns, on two threads each. LangChain's default is `HuggingFaceEmbeddings`, which is",
        "`SentenceTransformer.encode` in batches of 32. Cosine: with the vectors of that arm, mean and least.",
        "The arms on ONNX Runtime alone and on OpenVINO (in its own process) run our graph, one text at a time.",
        "",
        "| arm | passages/s, median | over LangChain | cosine |",
        "|---|---|---|---|",
    ]
    right = _unit(vectors["LangChain's default"])
    for name, values in speeds.items():
        cosines = (_unit(vectors[name]) * right).sum(axis=1)
        lines.append(
            f"| {name} | {statistics.median(values):.1f} | {statistics.median(values) / theirs:.2f} "
            f"| {cosines.mean():.4f}, {cosines.min():.4f} |"
        )
        print(lines[-1], flush=True)
    ratio = statistics.median(speeds[_OURS]) / theirs
    return [
        *lines,
        "",
        "| goal | measured | |",
        "|---|---|---|",
        f"| at least {_GOAL:g} × LangChain | {ratio:.2f} | {verdict(ratio >= _GOAL)} |",
    ]


_OURS = "ours, eight bits (the default)"


def _arms() -> tuple[dict[str, Run], list[Callable[[], None]]]:
    import torch
    from sentence_transformers import SentenceTransformer

    folder = ROOT / "models" / "embedding"
    kept = ROOT / "build" / "benchmarks"
    kept.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(_THREADS)
    plain = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    arms: dict[str, Run] = {"LangChain's default": lambda texts: np.asarray(plain.encode(list(texts)))}
    closers: list[Callable[[], None]] = []
    dtypes: dict[str, Precision] = {_OURS: "int8", "ours, float32": "float32", "ours, bfloat16": "bfloat16"}
    for name, dtype in dtypes.items():
        one = Embedder(folder, log_path=kept / "embedder.log", threads=_THREADS, dtype=dtype, kept_in=kept)
        one.start()
        arms[name] = one.embed
        closers.append(one.close)
    graphs = _graphs(folder)
    words = tokenizer(Encoder.read(folder))
    for name, made in graphs.items():
        arms[f"ONNX Runtime, {name} (not offered)"] = _by_runtime(words, made)
    (ours,) = (KeptGraph(kept, path.stem).read() for path in kept.glob("*.graph"))
    assert ours is not None
    for name, made in {**graphs, "our eight bits": ours}.items():
        peer = _OpenVino(words, made)
        arms[f"OpenVINO, {name} (not offered)"] = peer.embed
        closers.append(peer.close)
    return {**arms, _BY_TORCH: _by_torch(folder)}, closers


_BY_TORCH = "eight bits by torch (not offered), batches of 4"


def _by_torch(folder: Path) -> Run:
    import torch
    import torch.ao.quantization as quantization
    from sentence_transformers import SentenceTransformer

    eight = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    layers = {
        name: quantization.per_channel_dynamic_qconfig
        for name, layer in eight[0].model.named_modules()
        if isinstance(layer, torch.nn.Linear) and "pooler" not in name
    }
    quantize: Any = quantization.quantize_dynamic
    eight[0].model = quantize(eight[0].model, layers)
    return lambda texts: np.asarray(eight.encode(list(texts), batch_size=4))


def _graphs(folder: Path) -> dict[str, bytes]:
    """Return our graph in float32, and what ONNX Runtime's own tool makes of it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    encoder = Encoder.read(folder)
    with tempfile.TemporaryDirectory() as place:
        exact, eight = Path(place) / "exact.onnx", Path(place) / "eight.onnx"
        exact.write_bytes(graph(encoder, encoder.tensors()).SerializeToString())
        quantize_dynamic(exact, eight, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        return {"float32": exact.read_bytes(), "the Runtime's eight bits": eight.read_bytes()}


def _by_runtime(words: "Tokenizer", made: bytes) -> Run:
    running = session(made, _THREADS)
    return lambda texts: np.concatenate(
        [running.run([VECTOR], {IDS: np.array([text.ids])})[0] for text in words.encode_batch(list(texts))]
    )


class _OpenVino:
    """A graph in OpenVINO, which has an environment and a process of its own."""

    def __init__(self, words: "Tokenizer", made: bytes) -> None:
        environment = Environment(ROOT / "build" / "openvino")
        if not environment.python.exists():
            venv.create(environment.root, with_pip=True)
        install(environment, ROOT / "requirements" / "openvino.lock")
        self._words = words
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / "graph.onnx"
        file.write_bytes(made)
        script = Path(__file__).with_name("openvino_peer.py")
        self._process = subprocess.Popen(
            [str(environment.python), str(script), str(file), str(_THREADS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        asked = Path(self._folder.name) / "asked.npz"
        ids = [np.array([text.ids]) for text in self._words.encode_batch(list(texts))]
        np.savez(asked, *ids)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(asked, file=self._process.stdin, flush=True)
        if self._process.stdout.readline().strip() != "done":
            raise RuntimeError("OpenVINO ended; what it said is above.")
        vectors: Vectors = np.load(asked.with_suffix(".npy"))
        return vectors

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


SECTION = Section("embedding", "Passages in", _measure, RETRIEVAL)
