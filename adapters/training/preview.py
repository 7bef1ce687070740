"""Examples as the trainer sees them, with the tokens that are learnt. Loads transformers when asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from adapters.datasets.reading import Format, read_dataset
from adapters.template import template_of
from adapters.training.encoding import IGNORED, EncodedExample, encode, encode_pairs
from core.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens that are all learnt, or all not."""

    text: str
    learnt: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class Preview:
    """One example, or one side of a pair."""

    line: int
    title: str
    spans: tuple[Span, ...]


def preview(data: Path, base_dir: Path, *, rows: int, max_length: int) -> Iterator[Preview]:
    """Yield the first examples of a data set.

    Raises:
        InvalidRequest: an example cannot be learnt; the message names its line.
    """
    from transformers import AutoTokenizer

    template = template_of(base_dir).training
    if template is None:
        raise InvalidRequest(
            "The base's chat template has no {% generation %} marks, so that it is unknown what would be learnt. "
            "Put a marked chat_template.jinja into the base's folder.",
            code="template_without_marks",
        )
    tokenizer = AutoTokenizer.from_pretrained(base_dir, local_files_only=True)
    dataset = read_dataset(data)

    def spans(side: EncodedExample) -> tuple[Span, ...]:
        pairs = zip(side.input_ids, side.labels, strict=True)
        found = []
        for learnt, run in groupby(pairs, key=lambda pair: pair[1] != IGNORED):
            ids = [token for token, _ in run]
            found.append(Span(str(tokenizer.decode(ids)), learnt, len(ids)))
        return tuple(found)

    for example in dataset.examples[:rows]:
        if dataset.format is Format.PREFERENCE:
            (pair,) = encode_pairs([example], tokenizer, template, max_length)
            yield Preview(example.line, "preferred", spans(pair.chosen))
            yield Preview(example.line, "avoided", spans(pair.rejected))
        else:
            (encoded,) = encode([example], tokenizer, template, max_length)
            yield Preview(example.line, "example", spans(encoded))
