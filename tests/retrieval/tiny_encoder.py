"""A tiny BERT sentence encoder with random weights, written with plain safetensors: no download, no torch."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.adapters.tiny import write_json

HIDDEN, INNER, HEADS, LAYERS, POSITIONS = 32, 128, 4, 2, 64
Tensors = dict[str, NDArray[np.float32]]
_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_LETTERS = [chr(code) for code in range(33, 127)]


def make_encoder(
    folder: Path,
    *,
    pooling: str = "mean",
    normalized: bool = True,
    config: Mapping[str, object] | None = None,
    tensors: Tensors | None = None,
) -> Path:
    """Write an encoder as sentence-transformers would; `config` and `tensors` stand in place of its own."""
    folder.mkdir(parents=True)
    words = make_tokenizer()
    words.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "pad_token": "[PAD]"}
        | {"cls_token": "[CLS]", "sep_token": "[SEP]", "model_max_length": POSITIONS},
    )
    shape = {"hidden_size": HIDDEN, "intermediate_size": INNER, "num_attention_heads": HEADS}
    shape |= {"num_hidden_layers": LAYERS, "max_position_embeddings": POSITIONS, "type_vocab_size": 2}
    write_json(
        folder / "config.json",
        {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "layer_norm_eps": 1e-12}
        | {"vocab_size": words.get_vocab_size(), **shape, **(config or {})},
    )
    chain = ["Transformer", "Pooling", *["Normalize"] * normalized]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": place, "name": str(place), "path": paths[place], "type": f"sentence_transformers.models.{kind}"}
        for place, kind in enumerate(chain)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    chosen = {f"pooling_mode_{key}": name == pooling for name, key in modes.items()}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **chosen})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    save_file(tensors or random_tensors(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def make_tokenizer() -> Tokenizer:
    """Make a tokenizer whose tokens are printable characters, in small letters."""
    vocabulary = {token: number for number, token in enumerate([*_MARKS, *_LETTERS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return words


def random_tensors(seed: int = 0) -> Tensors:
    """Return random weights, with two channels that are far larger than the others after each normalisation."""
    chance = np.random.default_rng(seed)

    def drawn(*shape: int, size: float = 0.15) -> NDArray[np.float32]:
        return (chance.standard_normal(shape) * size).astype(np.float32)

    tensors: Tensors = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = drawn(outputs, inputs), drawn(outputs)

    def norm(name: str) -> None:
        gain = 1 + drawn(HIDDEN, size=0.1)
        gain[[3, 17]] = 9, 6
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = gain, drawn(HIDDEN, size=0.1)

    for name, rows in (("word", len(_MARKS) + len(_LETTERS)), ("position", POSITIONS), ("token_type", 2)):
        tensors[f"embeddings.{name}_embeddings.weight"] = drawn(rows, HIDDEN)
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear(f"{at}.attention.self.{part}", HIDDEN, HIDDEN)
        linear(f"{at}.attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{at}.attention.output.LayerNorm")
        linear(f"{at}.intermediate.dense", HIDDEN, INNER)
        linear(f"{at}.output.dense", INNER, HIDDEN)
        norm(f"{at}.output.LayerNorm")
    return tensors
