"""Encoders in eight bits: tiny ones of random weights beside torch, the real one, and those that cannot be had."""

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import Unavailable
from retrieval import Embedder
from retrieval.eight_bit import EightBitModel, UnfitError
from retrieval.eight_bit.encoder import Encoder
from retrieval.eight_bit.quantization import OUTLIERS, quantized
from retrieval.torch_model import TorchModel
from tests.adapters.tiny import write_json
from tests.engine.server import ROOT
from tests.faults.world import STAND_IN
from tests.retrieval.conftest import MODEL_DIR
from tests.retrieval.tiny_encoder import HIDDEN, LAYERS, Tensors, make_encoder, random_tensors

TEXTS = (
    "When does the library open?",
    "A late book costs twenty cents a day.",
    "",
    "x",
    "Boots bought in a sale may be sent back within twenty one days, unworn and in their box. " * 4,
    "🙂 naïve café",
)


def _eight(folder: Path, kept_in: Path | None = None) -> EightBitModel:
    return EightBitModel(folder, "tiny", threads=1, kept_in=kept_in)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalized", [True, False])
def test_vectors_are_those_of_torch_in_float32(pooling: str, normalized: bool, tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "model", pooling=pooling, normalized=normalized)
    right = TorchModel(folder, "tiny", threads=1, dtype="float32")
    eight = _eight(folder)

    made = eight.encode(TEXTS)

    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert (made * right.encode(TEXTS)).sum(axis=1).min() > 0.995
    assert (eight.dimensions, right.dimensions) == (HIDDEN, HIDDEN)
    assert eight.identity == "tiny/int8-1/48"
    assert right.identity == "tiny/float32/48"


def test_vectors_of_the_real_model_are_those_of_torch_in_float32() -> None:
    texts = [*TEXTS, Path(__file__).read_text()[:900], "Taxes are due in May. " * 60]

    made = _eight(MODEL_DIR).encode(texts)

    cosines = (made * TorchModel(MODEL_DIR, "mini", threads=1, dtype="float32").encode(texts)).sum(axis=1)
    assert cosines.mean() > 0.998
    assert cosines.min() > 0.995


def test_the_vector_of_a_text_does_not_depend_on_its_company(tmp_path: Path) -> None:
    model = _eight(make_encoder(tmp_path / "model"))

    together = model.encode(TEXTS)

    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(model.encode([text])[0], vector)
    assert model.encode([]).shape == (0, HIDDEN)


def test_names_with_a_prefix_and_half_precision_are_read(tmp_path: Path) -> None:
    plain = _eight(make_encoder(tmp_path / "plain")).encode(TEXTS)
    halves = {f"bert.{name}": tensor.astype(np.float16) for name, tensor in random_tensors().items()}

    made = _eight(make_encoder(tmp_path / "half", tensors=halves)).encode(TEXTS)  # type: ignore[arg-type]  # halves

    assert (made * plain).sum(axis=1).min() > 0.995


def test_a_graph_is_kept_and_one_that_is_damaged_is_built_again(tmp_path: Path) -> None:
    folder, kept = make_encoder(tmp_path / "model"), tmp_path / "kept"
    right = _eight(folder, kept).encode(TEXTS)
    (graph,) = kept.iterdir()
    whole, made_at = graph.read_bytes(), graph.stat().st_mtime_ns

    np.testing.assert_array_equal(_eight(folder, kept).encode(TEXTS), right)
    assert graph.stat().st_mtime_ns == made_at

    for damaged in (whole[:-100], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], b""):
        graph.write_bytes(damaged)
        np.testing.assert_array_equal(_eight(folder, kept).encode(TEXTS), right)
        assert graph.read_bytes() == whole


def test_only_the_graph_of_the_newest_model_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    EightBitModel(make_encoder(tmp_path / "one"), "one", threads=1, kept_in=kept)

    EightBitModel(make_encoder(tmp_path / "two"), "two", threads=1, kept_in=kept)

    assert [path.name for path in kept.iterdir()] == ["two-int8-1.graph"]


def test_a_graph_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "kept"
    blocked.touch()

    assert _eight(make_encoder(tmp_path / "model"), blocked).encode(TEXTS).shape == (len(TEXTS), HIDDEN)

    assert "cannot be kept" in caplog.text


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _changed(name: str, **values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        write_json(folder / name, json.loads((folder / name).read_text()) | values)

    return change


def _one_more_module(folder: Path) -> None:
    chain = json.loads((folder / "modules.json").read_text())
    chain.insert(2, {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(chain))


def _no_marks(folder: Path) -> None:
    told = json.loads((folder / "tokenizer.json").read_text())
    write_json(folder / "tokenizer.json", told | {"post_processor": None})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_changed("config.json", model_type="xlm-roberta"), "has model_type 'xlm-roberta'"),
        (_changed("config.json", model_type="modernbert"), "has model_type 'modernbert'"),
        (_changed("config.json", hidden_act="gelu_new"), "has hidden_act 'gelu_new'"),
        (_changed("config.json", position_embedding_type="relative_key"), "has position_embedding_type"),
        (_changed("config.json", is_decoder=True), "has is_decoder True"),
        (_changed("config.json", num_attention_heads=5), "has 5 heads for 32 numbers"),
        (_changed("config.json", hidden_size="wide"), "no usable"),
        (_changed("config.json", num_hidden_layers=3), "has no 'encoder.layer.2"),
        (_changed("1_Pooling/config.json", pooling_mode_mean_tokens=False), "pools by None"),
        (_changed("1_Pooling/config.json", pooling_mode_max_tokens=True), "pools by mean_tokens and max_tokens"),
        (_changed("sentence_bert_config.json", do_lower_case=True), "small letters"),
        (_one_more_module, "is made of Transformer, Pooling, Dense, Normalize"),
        (_no_marks, "sets no marks"),
        (_without("modules.json"), "has no modules.json"),
        (_without("model.safetensors"), "has no model.safetensors"),
        (_without("tokenizer.json"), "has no tokenizer.json"),
        (lambda folder: (folder / "config.json").write_text("[]"), "no object"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"torn"), "cannot be read"),
    ],
)
def test_a_model_that_the_graph_does_not_know_is_refused(
    change: Callable[[Path], None], problem: str, tmp_path: Path
) -> None:
    folder = make_encoder(tmp_path / "model")
    change(folder)

    with pytest.raises(UnfitError, match=problem):
        _eight(folder)


def test_pooling_is_read_in_the_newer_form_too(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "model")
    write_json(folder / "1_Pooling" / "config.json", {"embedding_dimension": HIDDEN, "pooling_mode": "cls"})

    assert Encoder.read(folder).pooling == "cls"


def test_the_window_is_the_models_where_sentence_transformers_tells_none(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "model")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": None})

    assert Encoder.read(folder).window == 64


def test_a_model_whose_vectors_change_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match=r"a cosine of -?0\.\d+ on the mean"):
        _eight(make_encoder(tmp_path / "model", tensors=_drowned()))


def test_one_that_is_refused_runs_in_float32_and_a_log_says_why_unless_eight_bits_are_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STAND_IN), str(ROOT), *sys.path]))
    folder = make_encoder(tmp_path / "model", pooling="max")
    embedder = Embedder(folder, log_path=tmp_path / "log")
    with caplog.at_level("INFO"):
        embedder.start()
    identity = embedder.model_id
    embedder.close()
    strict = Embedder(folder, log_path=tmp_path / "log", dtype="int8")

    with pytest.raises(Unavailable, match="did not start"):
        strict.start()

    strict.close()
    assert "/float32/" in identity
    assert "in float32, since the embedding model pools by max_tokens" in caplog.text
    assert "pools by max_tokens" in (tmp_path / "log").read_text()


def test_no_sum_of_two_products_leaves_sixteen_bits() -> None:
    chance = np.random.default_rng(1)
    for inputs in (33, 64):
        weights = chance.standard_normal((inputs, 40)).astype(np.float32)
        weights[5] *= 20
        eight = quantized(weights, np.abs(chance.standard_normal(inputs)).astype(np.float32)).eight.astype(int)
        padded = np.vstack([eight, np.zeros((inputs % 2, 40), int)])
        for side in (padded.clip(0), (-padded).clip(0)):
            assert (255 * (side[0::2] + side[1::2])).max() <= 32767


def test_outliers_are_multiplied_exactly_and_the_others_nearly() -> None:
    chance = np.random.default_rng(2)
    weights = chance.standard_normal((64, 16)).astype(np.float32)
    values = chance.standard_normal((100, 64)).astype(np.float32)
    values[:, [4, 40]] *= 30
    linear = quantized(weights, np.abs(values).max(axis=0))

    product = (values * linear.factors) @ (linear.eight * linear.scales) + values[:, linear.outliers] @ linear.kept

    assert linear.outliers.tolist() == [4, 40]
    assert np.abs(product - values @ weights).max() < 0.01 * np.abs(values @ weights).max()
    many = quantized(weights, np.where(np.arange(64) < 20, 50, 1).astype(np.float32))
    assert len(many.outliers) <= OUTLIERS


def _drowned() -> Tensors:
    """Return weights that tell texts apart by a thousandth of what the last layer reads, and by that alone.

    The rest is the same for each text and taken out again by a bias, so that rounding leaves nothing of it.
    """
    chance = np.random.default_rng(3)
    tensors = random_tensors()
    at = f"encoder.layer.{LAYERS - 1}"
    same: NDArray[np.float32] = chance.standard_normal(HIDDEN).astype(np.float32)
    tensors[f"{at}.attention.output.LayerNorm.weight"] = np.full(HIDDEN, 1e-3, np.float32)
    tensors[f"{at}.attention.output.LayerNorm.bias"] = same
    read = tensors[f"{at}.intermediate.dense.weight"] @ same + tensors[f"{at}.intermediate.dense.bias"]
    raised = read * (1 + np.vectorize(math.erf)(read / np.sqrt(2))) / 2
    tensors[f"{at}.output.dense.bias"] = -(tensors[f"{at}.output.dense.weight"] @ raised) - same
    tensors[f"{at}.output.LayerNorm.weight"] = np.ones(HIDDEN, np.float32)
    tensors[f"{at}.output.LayerNorm.bias"] = np.zeros(HIDDEN, np.float32)
    return tensors
