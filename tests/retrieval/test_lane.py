"""Callers that take turns on one pair of pipes: each gets its own vectors, and who waits is taken along."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.errors import Unavailable
from retrieval.frames import Kind, PipeBrokenError, read_frame, write_frame
from retrieval.lane import BATCH, Lane
from tests.faults.world import eventually


class Model:
    """The other end of the pipes: the length of a text is its vector, and `poison` is no text to it.

    Attributes:
        batches: what came in one frame.
        held: it answers nothing until this is set.
    """

    def __init__(self) -> None:
        self._texts_in, sink = os.pipe()
        source, self._vectors_out = os.pipe()
        self.lane = Lane(sink, source)
        self.batches: list[list[str]] = []
        self.held = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            while True:
                _, payload = read_frame(self._texts_in)
                texts = json.loads(payload)
                self.batches.append(texts)
                self.held.wait(30)
                if "poison" in texts:
                    write_frame(self._vectors_out, Kind.ERROR, b"ValueError: poison")
                else:
                    rows = np.array([[len(text), 1] for text in texts], np.float32)
                    write_frame(self._vectors_out, Kind.VECTORS, rows.tobytes())
        except PipeBrokenError:
            os.close(self._vectors_out)

    def end(self) -> None:
        self.held.set()
        os.close(self.lane.sink)
        self._thread.join(30)
        os.close(self.lane.source)
        os.close(self._texts_in)


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.end()


def _lengths(lane: Lane, texts: Sequence[str]) -> list[int]:
    return [int(length) for length, _ in np.frombuffer(lane.ask(texts), np.float32).reshape(-1, 2)]


def _asked_at_once(model: Model, *asked: Sequence[str]) -> list[list[int] | str]:
    """Let the first be sent and held, the others wait, and then answer all."""

    def ask(texts: Sequence[str]) -> list[int] | str:
        try:
            return _lengths(model.lane, texts)
        except Unavailable as error:
            return error.message

    with ThreadPoolExecutor(len(asked)) as pool:
        first = pool.submit(ask, asked[0])
        eventually(lambda: len(model.batches) == 1)
        others = []
        for number, texts in enumerate(asked[1:], start=1):
            others.append(pool.submit(ask, texts))
            eventually(lambda: len(model.lane.waiting) == number)  # noqa: B023  asked before the next round
        model.held.set()
        return [one.result(30) for one in (first, *others)]


def test_who_waits_is_taken_along_and_gets_its_own_vectors(model: Model) -> None:
    answers = _asked_at_once(model, ["a"], ["bb", "ccc"], ["dddd"], ["eeeee"])
    assert answers == [[1], [2, 3], [4], [5]]
    assert model.batches == [["a"], ["bb", "ccc", "dddd", "eeeee"]]


def test_a_batch_has_its_limit_but_a_longer_list_goes_by_itself(model: Model) -> None:
    many = ["xx"] * (BATCH + 4)
    answers = _asked_at_once(model, ["a"], ["b"] * (BATCH - 1), ["cc", "cc"], many)
    assert answers == [[1], [1] * (BATCH - 1), [2, 2], [2] * len(many)]
    assert [len(batch) for batch in model.batches] == [1, BATCH - 1, 2, len(many)]


def test_a_text_that_the_model_refuses_is_refused_alone(model: Model) -> None:
    answers = _asked_at_once(model, ["a"], ["bb"], ["poison"], ["dddd"])
    assert answers[0::3] == [[1], [4]]
    assert answers[1] == [2]
    assert "ValueError: poison" in str(answers[2])


def test_a_closed_lane_is_written_to_no_more(model: Model) -> None:
    model.lane.closed = True  # the numbers of its pipes may already belong to another file
    with pytest.raises(PipeBrokenError):
        model.lane.ask(["a"])
    assert model.batches == []
