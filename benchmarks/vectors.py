"""The dense leg by size: how long a search takes, what it finds, and what a passage costs in memory."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.cloud import described, grown, questions, real_vectors
from benchmarks.gateway_parts import ROOT
from benchmarks.remembered import remembering
from benchmarks.report import RETRIEVAL, verdict
from benchmarks.sampling import quantile
from benchmarks.section import Bench, Section
from retrieval.built_index import LEAST_RECALL
from retrieval.index_recall import DEPTH, fitted, nearest
from retrieval.records import Vectors
from retrieval.vector_index import EXACT_LIMIT, Rows, VectorIndex

SIZES = (10_000, 100_000, 1_000_000)
_ASKED = 1000
_COMPARED = 100_000
_THREADS = 2
_GOALS = {100_000: 5.0, 1_000_000: 20.0}
"""Passages → milliseconds that 99 of 100 searches may take."""
_MOST_BYTES = 800
Search = Callable[[Vectors], Rows]

_MEMORY = """
import sys
from pathlib import Path
import psutil, faiss, numpy as np
from retrieval.vector_index import VectorIndex
before = psutil.Process().memory_info().rss
index = VectorIndex.read(Path(sys.argv[1]))
index.search(np.ones(index.dimensions, np.float32), 10)
print(psutil.Process().memory_info().rss - before)
"""


def _measure(bench: Bench) -> list[str]:
    data = bench.sets()
    with remembering() as embedder:
        real, asked = real_vectors(data, embedder)
    lines = [
        *described(real, asked),
        f"{_ASKED} questions, one at a time on one thread. Recall@10 against a scan in float32. *Own recall*:",
        "what the store's status tells, measured on its own vectors when the index was built. Memory: what a",
        f"process grows by when it reads the index, at least its file. Built on {_THREADS} threads (a server",
        "builds on one).",
        "",
        "| passages | index | built in, s | p50, ms | p99, ms | recall@10 | own recall | bytes a passage |",
        "|---|---|---|---|---|---|---|---|",
    ]
    goals = []
    for size in SIZES[:2] if bench.quick else SIZES:
        line, reached = _sized(real, asked, size)
        lines.append(line)
        goals += reached
        print(line, flush=True)
    lines += ["", "| goal | measured | |", "|---|---|---|", *goals, ""]
    return [*lines, *_kinds(real, asked, _COMPARED)]


def _sized(real: Vectors, asked: Vectors, size: int) -> tuple[str, list[str]]:
    vectors, rows = grown(real, size, seed=1), np.arange(size, dtype=np.int64)
    given = questions(asked, _ASKED, seed=2)
    answers = nearest(given, rows, vectors, DEPTH)
    began = time.perf_counter()
    index, own = VectorIndex.exact(rows, vectors), ""
    if size > EXACT_LIMIT:
        graph = VectorIndex.approximate(rows, vectors, threads=_THREADS)
        assert graph is not None
        recall = fitted(graph, rows, vectors, LEAST_RECALL)
        own = f"{recall:.3f}"
        index = graph if recall >= LEAST_RECALL else index
    built = time.perf_counter() - began
    del vectors
    times, found = _timed(lambda question: index.search(question, DEPTH).rows, given)
    recall = _recall(found, answers)
    p50, p99, memory = 1000 * quantile(times, 0.5), 1000 * quantile(times, 0.99), _memory(index) / size
    kind = index.kind.value if index.kind.exact else f"{index.kind.value}, width {index.width}"
    line = f"| {size:,} | {kind} | {built:.1f} | {p50:.2f} | {p99:.2f} | {recall:.3f} | {own} | {memory:.0f} |"
    goals = []
    if size in _GOALS:
        goals = [
            _goal(f"p99 at {size:,}", f"at most {_GOALS[size]:g} ms", f"{p99:.2f} ms", p99 <= _GOALS[size]),
            _goal(f"recall@10 at {size:,}", f"at least {LEAST_RECALL}", f"{recall:.3f}", recall >= LEAST_RECALL),
        ]
    if size == SIZES[-1]:
        goals.append(
            _goal("memory", f"at most {_MOST_BYTES} bytes a passage", f"{memory:.0f}", memory <= _MOST_BYTES)
        )
    return line, goals


def _kinds(real: Vectors, asked: Vectors, size: int) -> list[str]:
    """Compare kinds of index at one size, also those that are not used."""
    vectors, rows = grown(real, size, seed=1), np.arange(size, dtype=np.int64)
    given = questions(asked, _ASKED, seed=2)
    answers = nearest(given, rows, vectors, DEPTH)
    lines = [
        f"Kinds of index at {size:,} passages, as faiss makes them, built on one thread:",
        "",
        "| kind | built in, s | file, MB | p50, ms | p99, ms | recall@10 |",
        "|---|---|---|---|---|---|",
    ]
    for pattern, widths in _KINDS.items():
        kind = pattern.format(lists=round(4 * size**0.5))
        began = time.perf_counter()
        index = _faiss_index(kind, vectors)
        built, megabytes = time.perf_counter() - began, faiss.serialize_index(index).nbytes / 1e6
        for width in widths:
            _look(index, kind, width)
            times, found = _timed(partial(_faiss_search, index), given)
            name = f"{kind}, {width}" if width else kind
            p50, p99, recall = 1000 * quantile(times, 0.5), 1000 * quantile(times, 0.99), _recall(found, answers)
            lines.append(f"| {name} | {built:.0f} | {megabytes:.0f} | {p50:.2f} | {p99:.2f} | {recall:.3f} |")
            print(lines[-1], flush=True)
    return lines


_KINDS: dict[str, Sequence[int]] = {
    "Flat": (0,),
    "SQ8": (0,),
    "IVF{lists},SQ8": (32, 128, 256),
    "HNSW32_SQ8": (64, 128, 256),
}


def _faiss_index(kind: str, vectors: Vectors) -> Any:
    faiss.omp_set_num_threads(1)
    index: Any = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    if "HNSW" in kind:
        index.hnsw.efConstruction = 200
    index.train(vectors)
    index.add(vectors)
    return index


def _look(index: Any, kind: str, width: int) -> None:
    if "IVF" in kind:
        index.nprobe = width
    elif "HNSW" in kind:
        index.hnsw.efSearch = width


def _faiss_search(index: Any, question: Vectors) -> Rows:
    rows: Rows = index.search(question.reshape(1, -1), DEPTH)[1][0]
    return rows


def _timed(search: Search, given: Vectors) -> tuple[list[float], list[Rows]]:
    for question in given[:20]:
        search(question)
    times, found = [], []
    for question in given:
        began = time.perf_counter()
        rows = search(question)
        times.append(time.perf_counter() - began)
        found.append(rows)
    return times, found


def _recall(found: Sequence[Rows], answers: Rows) -> float:
    return float(np.mean([np.isin(right, rows).mean() for rows, right in zip(found, answers, strict=True)]))


def _memory(index: VectorIndex) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.faiss"
        index.write(path)
        command = [sys.executable, "-c", _MEMORY, str(path)]
        grown_by = int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        return max(grown_by, path.stat().st_size)  # a small index fits into what the process had to spare


def _goal(what: str, goal: str, measured: str, reached: bool) -> str:
    return f"| {what}: {goal} | {measured} | {verdict(reached)} |"


SECTION = Section("vectors", "The dense leg by size", _measure, RETRIEVAL)
