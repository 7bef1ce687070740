"""`python -m bootstrap.convert FILE.gguf FOLDER`: write a Hugging Face folder in bfloat16.

The only file of set-up that loads torch and transformers. The result is the same bytes whatever the
number of threads, so that adapters trained on one machine fit the base model of another.
"""

import json
import sys
from pathlib import Path


def convert(gguf: Path, folder: Path) -> None:
    """Dequantise the model in `gguf` into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    _forget_how_it_was_loaded(folder / "tokenizer_config.json")


def _forget_how_it_was_loaded(tokenizer_config: Path) -> None:
    # transformers notes whether the hub was reachable; that is no property of the model.
    content = json.loads(tokenizer_config.read_text(encoding="utf-8"))
    content.pop("local_files_only", None)
    tokenizer_config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
