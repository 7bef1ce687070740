"""Counting in the embedding model's own tokens. Owns the tokenizer of the gateway; knows no vectors."""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_USUAL_WINDOW = 256


class Tokens(Protocol):
    """Measures texts as the embedding model does."""

    @property
    def window(self) -> int:
        """Tokens that the model reads of a text, its own marks included."""

    def count(self, text: str) -> int:
        """Return how many tokens a text has, without the model's own marks."""


class ModelTokens:
    """The tokenizer beside an embedding model, loaded when it is first needed.

    Args:
        folder: returns the folder of the model.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder

    @cached_property
    def window(self) -> int:
        """Tokens that the model reads of a text, its own marks included."""
        try:
            told = json.loads((self._folder() / "sentence_bert_config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return _USUAL_WINDOW
        return int(told.get("max_seq_length") or _USUAL_WINDOW)

    def count(self, text: str) -> int:
        """Return how many tokens a text has, without the model's own marks."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder() / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
