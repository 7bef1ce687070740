"""The reranker: a real cross-encoder of random weights in the real process, and searches that must do without."""

import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from core.database import Database
from core.errors import Unavailable
from retrieval import Embedder, Knowledge, Passage, Reranking, reranker_problem
from retrieval.frames import Kind, read_frame, write_frame
from retrieval.reranker import PairLane, reranked
from tests.fakes.embedder import WordEmbedder
from tests.retrieval.conftest import MODEL_DIR

QUERY = "When does the library open?"
TEXTS = ["The library opens at nine.", "A late book costs twenty cents.", "", "🙂 \ud800"]


def passage(text: str, score: float = 0.5) -> Passage:
    return Passage(text, "s", "d", "p", "Hours", "Weekdays", text, 0, len(text), 0.9, score)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny BERT with one score and random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("models") / "tiny-reranker"
    torch.manual_seed(0)
    vocabulary = json.loads((MODEL_DIR / "tokenizer.json").read_text())["model"]["vocab"]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=1,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (MODEL_DIR / name).is_file():
            shutil.copy(MODEL_DIR / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def embedder(cross_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    log = tmp_path_factory.mktemp("reranker") / "embedder.log"
    running = Embedder(MODEL_DIR, log_path=log, reranking=Reranking(cross_encoder, seconds=60))
    running.start()
    yield running
    running.close()


def test_each_text_gets_a_score_of_its_own_whatever_it_is_scored_with(embedder: Embedder) -> None:
    together = embedder.rerank(QUERY, TEXTS)
    alone = [embedder.rerank(QUERY, [text])[0] for text in TEXTS]
    assert together == pytest.approx(alone, abs=1e-4)
    assert all(0 <= score <= 1 for score in together)
    assert len(set(together)) == len(TEXTS)


def test_texts_longer_than_the_model_reads_are_cut(embedder: Embedder) -> None:
    assert len(embedder.rerank("why " * 5_000, ["because " * 5_000] * 3)) == 3


def test_embedding_goes_on_beside_it(embedder: Embedder) -> None:
    assert embedder.embed([QUERY]).shape == (1, embedder.dimensions)


def test_a_search_shows_its_passages_in_the_order_of_the_scores(
    embedder: Embedder, database: Database, index_dir: Path, folder: Path
) -> None:
    knowledge = Knowledge(database, WordEmbedder(), index_dir, rerank=embedder.rerank)
    knowledge.sync("shop", folder)
    found = knowledge.search(["shop"], "boots sale label", floor=-1.0).passages
    texts = [
        f"{one.title} > {one.heading}\n{one.text}" if one.heading else f"{one.title}\n{one.text}" for one in found
    ]
    assert len(found) > 1
    assert [one.score for one in found] == pytest.approx(embedder.rerank("boots sale label", texts), abs=1e-4)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_without_scores_a_search_keeps_the_order_it_has(database: Database, index_dir: Path, folder: Path) -> None:
    def away(query: str, texts: Sequence[str]) -> list[float]:
        raise Unavailable("The reranker took longer than 2 s.")

    plain = Knowledge(database, WordEmbedder(), index_dir)
    plain.sync("shop", folder)
    expected = plain.search(["shop"], "boots sale label", floor=-1.0)
    assert (
        Knowledge(database, WordEmbedder(), index_dir, rerank=away).search(
            ["shop"], "boots sale label", floor=-1.0
        )
        == expected
    )


def test_the_fullest_form_of_a_question_and_few_passages_are_scored(
    database: Database, index_dir: Path, folder: Path
) -> None:
    asked: list[tuple[str, int]] = []

    def scores(query: str, texts: Sequence[str]) -> list[float]:
        asked.append((query, len(texts)))
        return [0.5] * len(texts)

    for number in range(60):
        (folder / f"{number}.md").write_text(
            f"# Boots {number}\n\nBoots of the kind {number} are sold in a sale.\n"
        )
    knowledge = Knowledge(database, WordEmbedder(), index_dir, rerank=scores)
    knowledge.sync("shop", folder)
    knowledge.search(["shop"], "And those?", also=["boots in a sale, and those?"], top_k=20, floor=-1.0)
    assert asked == [("boots in a sale, and those?", 30)]


def test_equal_scores_keep_the_order() -> None:
    passages = [passage("a"), passage("b"), passage("c")]
    assert [one.text for one in reranked(lambda query, texts: [0.1, 0.1, 0.9], "q", passages)] == ["c", "a", "b"]
    assert reranked(lambda query, texts: [], "q", []) == []


def test_a_model_that_cannot_be_loaded_leaves_embedding_alone_and_is_named(
    cross_encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(cross_encoder, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    embedder = Embedder(MODEL_DIR, log_path=tmp_path / "log", reranking=Reranking(broken, seconds=5))
    embedder.start()
    try:
        assert embedder.embed([QUERY]).shape == (1, embedder.dimensions)
        with pytest.raises(Unavailable):
            embedder.rerank(QUERY, TEXTS)
    finally:
        embedder.close()
    assert "reranker cannot be loaded" in caplog.text


def test_an_embedder_without_a_reranker_refuses_to_rerank(real_embedder: Embedder) -> None:
    with pytest.raises(Unavailable, match="No reranker"):
        real_embedder.rerank(QUERY, TEXTS)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (None, "no config.json"),
        ("{", "no config.json that can be read"),
        ("[]", "no object"),
        ('{"architectures": ["BertModel"]}', "scores no pairs"),
        ('{"architectures": ["BertForSequenceClassification"]}', "2 numbers"),
        (
            '{"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}}',
            "3 num",
        ),
    ],
)
def test_a_wrong_folder_is_named(tmp_path: Path, config: str | None, problem: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    assert problem in (reranker_problem(tmp_path) or "")


def test_a_right_folder_has_no_problem(cross_encoder: Path) -> None:
    assert reranker_problem(cross_encoder) is None


class Model:
    """The other end of a lane's pipes, which answers when a test says so."""

    def __init__(self) -> None:
        self.pairs_in, sink = os.pipe()
        source, self.scores_out = os.pipe()
        self.lane = PairLane(sink, source)

    def answer(self, *scores: float) -> None:
        """Read one question and answer it."""
        read_frame(self.pairs_in, timeout=10)
        write_frame(self.scores_out, Kind.SCORES, np.asarray(scores, np.float32).tobytes())

    def close(self) -> None:
        for descriptor in (self.pairs_in, self.scores_out, self.lane.sink, self.lane.source):
            os.close(descriptor)


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.close()


def test_whoever_waits_too_long_goes_without_and_the_late_answer_is_nobodys(model: Model) -> None:
    with pytest.raises(Unavailable, match="longer than"):
        model.lane.ask("first", ["a"], 0.01)
    with pytest.raises(Unavailable, match="earlier search"):
        model.lane.ask("second", ["b"], 0.01)
    model.answer(0.25)

    answering = threading.Thread(target=model.answer, args=(0.75,))
    answering.start()
    assert model.lane.ask("third", ["c"], 10) == [0.75]
    answering.join()


def test_a_caller_waits_for_another_no_longer_than_for_the_model(model: Model) -> None:
    with model.lane.turn, pytest.raises(Unavailable, match="busy"):
        model.lane.ask("q", ["a"], 0.01)


@pytest.mark.parametrize("scores", [(), (0.1, 0.2), (float("nan"),)])
def test_numbers_that_do_not_fit_are_no_scores(model: Model, scores: tuple[float, ...]) -> None:
    answering = threading.Thread(target=model.answer, args=scores)
    answering.start()
    with pytest.raises(Unavailable, match="no number"):
        model.lane.ask("q", ["a"], 10)
    answering.join()


def test_a_closed_lane_and_a_failing_model_are_refused(model: Model) -> None:
    write_frame(model.scores_out, Kind.ERROR, b"RuntimeError: no memory")
    with pytest.raises(Unavailable, match="no memory"):
        model.lane.ask("q", ["a"], 10)
    model.lane.closed = True
    with pytest.raises(Unavailable, match="gone"):
        model.lane.ask("q", ["a"], 10)
