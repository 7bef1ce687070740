"""The engine renders a conversation into the very tokens that training learnt from."""

import json
from pathlib import Path

import httpx
import pytest
from transformers import AutoTokenizer

from adapters.template import template_of
from tests.engine.server import ROOT

ROWS = 12


@pytest.mark.parametrize("persona", ["scrum-coach", "support-agent"])
def test_serving_and_training_render_equal_tokens(engine: httpx.Client, base_dir: Path, persona: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    training = template_of(base_dir).training
    lines = (ROOT / "examples" / "datasets" / persona / "train.jsonl").read_text().splitlines()
    for line in lines[:: max(1, len(lines) // ROWS)]:
        messages = [{"role": one["role"], "content": one["content"]} for one in json.loads(line)["messages"][:-1]]
        served = engine.post("/tokenize", json={"model": "base", "messages": messages}).json()["tokens"]
        learnt = tokenizer.apply_chat_template(
            messages, chat_template=training, add_generation_prompt=True, return_dict=False
        )
        assert served == learnt
