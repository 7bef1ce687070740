"""A tiny Llama with random weights, and adapters for it, written with plain safetensors: no download, no torch."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

LAYERS, HIDDEN, INNER, HEADS = 2, 16, 32, 2
RANK = 4
SMOLLM2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
    "Face<|im_end|>\n' }}"
    "{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% "
    "endfor %}"
)
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
Tensors = dict[str, NDArray[np.float32]]


def linear_shapes() -> dict[str, tuple[int, int]]:
    """Module name → (outputs, inputs) of every linear layer."""
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (HIDDEN, HIDDEN),
        "self_attn.v_proj": (HIDDEN, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
    }
    return {f"model.layers.{layer}.{name}": shape for layer in range(LAYERS) for name, shape in shapes.items()}


def make_tokenizer() -> Tokenizer:
    """Make a tokenizer whose tokens are the 256 bytes and ChatML's marks."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*_SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL])
    return tokenizer


def make_base(folder: Path, *, seed: int = 0, template: str = SMOLLM2_TEMPLATE) -> Path:
    """Write a two-layer Llama into `folder`."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    tokenizer = make_tokenizer()
    vocabulary = tokenizer.get_vocab_size()
    shapes = {f"{name}.weight": shape for name, shape in linear_shapes().items()}
    shapes["model.embed_tokens.weight"] = (vocabulary, HIDDEN)
    tensors: Tensors = {
        name: (random.standard_normal(shape) * 0.1).astype(np.float32) for name, shape in shapes.items()
    }
    norms = [
        f"model.layers.{layer}.{norm}_layernorm.weight"
        for layer in range(LAYERS)
        for norm in ("input", "post_attention")
    ]
    tensors |= {name: np.ones(HIDDEN, np.float32) for name in [*norms, "model.norm.weight"]}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": 2048,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    write_json(folder / "config.json", config)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
    write_json(folder / "tokenizer_config.json", settings)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def adapter_tensors(seed: int = 0, rank: int = RANK) -> Tensors:
    """Matrices for every linear layer of the tiny base."""
    random = np.random.default_rng(seed)
    tensors: Tensors = {}
    for module, (outputs, inputs) in linear_shapes().items():
        for side, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
            name = f"base_model.model.{module}.lora_{side}.weight"
            tensors[name] = random.standard_normal(shape).astype(np.float32)
    return tensors


def adapter_config(**changes: object) -> dict[str, object]:
    """The configuration of a plain LoRA, with changes."""
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    plain = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": RANK,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": targets,
        "init_lora_weights": True,
        "inference_mode": True,
    }
    return {**plain, **changes}


def make_adapter(
    folder: Path, *, seed: int = 0, config: Mapping[str, object] | None = None, tensors: Tensors | None = None
) -> Path:
    """Write an adapter folder as PEFT would."""
    folder.mkdir(parents=True)
    write_json(folder / "adapter_config.json", adapter_config() if config is None else config)
    save_file(adapter_tensors(seed) if tensors is None else tensors, folder / "adapter_model.safetensors")
    return folder


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON."""
    path.write_text(json.dumps(content))
