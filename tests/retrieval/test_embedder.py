"""The real embedding process: its vectors, its death, its end."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.errors import Unavailable
from retrieval import Embedder
from tests.engine.server import ROOT
from tests.faults.world import STAND_IN, eventually
from tests.retrieval.conftest import MODEL_DIR


def test_vectors_are_of_unit_length_and_know_meaning(real_embedder: Embedder) -> None:
    cat, kitten, tax = real_embedder.embed(["A cat sleeps.", "A kitten naps.", "Taxes are due in May."])

    assert np.linalg.norm(cat) == pytest.approx(1.0, abs=1e-5)
    assert cat.shape == (real_embedder.dimensions,)
    assert cat @ kitten > cat @ tax + 0.2


def test_query_and_passage_lanes_give_the_same_vector(real_embedder: Embedder) -> None:
    text = "What is the window for boots from a sale?"

    np.testing.assert_array_equal(real_embedder.embed([text]), real_embedder.embed([text], priority=True))


def test_long_batches_keep_their_order(real_embedder: Embedder) -> None:
    texts = [f"{'word ' * (number % 7)}number {number}" for number in range(40)]

    together = real_embedder.embed(texts)

    for number in (6, 31):
        np.testing.assert_array_equal(together[number], real_embedder.embed([texts[number]])[0])


def test_odd_texts_are_embedded(real_embedder: Embedder) -> None:
    assert real_embedder.embed(["", "\ud800", "🙂" * 3000]).shape == (3, real_embedder.dimensions)
    assert real_embedder.embed([]).shape == (0, real_embedder.dimensions)


def test_query_does_not_wait_for_a_running_batch(real_embedder: Embedder) -> None:
    finished: list[str] = []
    started = threading.Event()

    def bulk() -> None:
        started.set()
        real_embedder.embed(["many words to read " * 60] * 48)
        finished.append("bulk")

    thread = threading.Thread(target=bulk)
    thread.start()
    started.wait()
    real_embedder.embed(["a question that nobody asked before"], priority=True)
    finished.append("query")
    thread.join()

    assert finished == ["query", "bulk"]


@pytest.fixture
def _quick_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process load words as vectors: what is tested is its life, and torch takes ten seconds to load."""
    monkeypatch.setenv("PYTHONPATH", f"{STAND_IN}:{ROOT}")


@pytest.mark.usefixtures("_quick_model")
def test_killed_process_is_started_again_and_close_leaves_nothing(tmp_path: Path) -> None:
    embedder = Embedder(MODEL_DIR, log_path=tmp_path / "embedder.log", dtype="float32")
    embedder.start()
    first = embedder.pid
    assert first is not None
    before = embedder.embed(["boots"])
    os.kill(first, signal.SIGKILL)

    after = embedder.embed(["boots"])

    second = embedder.pid
    assert second not in (None, first)
    np.testing.assert_array_equal(before, after)
    embedder.close()
    assert not psutil.pid_exists(first)
    assert embedder.pid is None
    with pytest.raises(Unavailable, match="not running"):
        embedder.embed(["boots"])


@pytest.mark.usefixtures("_quick_model")
def test_a_process_that_could_not_be_restarted_comes_back_by_itself(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    embedder = Embedder(tmp_path, log_path=logs / "embedder.log")
    embedder.start()
    logs.rename(tmp_path / "moved")
    logs.touch()  # no log can be opened in it
    assert embedder.pid is not None
    os.kill(embedder.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="could not be started"):
        embedder.embed(["boots"])
    logs.unlink()

    with pytest.raises(Unavailable, match="not running"):
        embedder.embed(["boots"])
    eventually(lambda: embedder.pid is not None)

    assert embedder.embed(["boots"]).shape == (1, embedder.dimensions)
    embedder.close()
    assert embedder.pid is None


def test_closing_does_not_wait_for_a_model_that_is_still_loading(tmp_path: Path) -> None:
    embedder = Embedder(MODEL_DIR, log_path=tmp_path / "embedder.log")
    refused: list[Unavailable] = []

    def start() -> None:
        try:
            embedder.start()
        except Unavailable as error:
            refused.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    embedder.close()
    thread.join()

    assert len(refused) == 1
    assert embedder.pid is None


@pytest.mark.usefixtures("_quick_model")
def test_model_that_is_not_there_is_reported_with_the_log(tmp_path: Path) -> None:
    embedder = Embedder(tmp_path / "none", log_path=tmp_path / "embedder.log")

    with pytest.raises(Unavailable, match=r"did not start.*embedder\.log") as failure:
        embedder.start()

    assert failure.value.code == "embedder_unavailable"
    assert (tmp_path / "embedder.log").read_text()
    embedder.close()


@pytest.mark.usefixtures("_quick_model")
def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from retrieval import Embedder;"
        f"e = Embedder(Path({str(MODEL_DIR)!r}), log_path=Path({str(tmp_path / 'log')!r}), dtype='float32');"
        "e.start(); print(e.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()

    _, alive = psutil.wait_procs([child], timeout=10)

    assert alive == []
    parent.stdout.close()
    parent.stdin.close()
