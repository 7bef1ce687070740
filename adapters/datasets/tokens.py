"""Tokens of examples, counted as training will see them: the base's tokenizer, the marked template of its base.

Loads transformers when it is asked, never before.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from adapters.datasets.example import Example
from adapters.datasets.report.checking import Length
from adapters.template import template_of
from adapters.training.encoding import measure
from core.errors import InvalidRequest


class TokenCounter:
    """Counts with the tokenizer of one base model; the folder is read with the first example."""

    def __init__(self, base_dir: Path) -> None:
        self._base_dir = base_dir

    def __call__(self, examples: Iterable[Example]) -> Iterator[Length]:
        """Yield the length of each example.

        Raises:
            InvalidRequest: the base has no chat template that says what the assistant says.
        """
        template = template_of(self._base_dir)
        if template.training is None:
            raise InvalidRequest(
                "The base's chat template has no {% generation %} marks, so that it is unknown what would be "
                "learnt. Put a marked chat_template.jinja into the base's folder, or say --no-tokens.",
                code="template_without_marks",
            )
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self._base_dir, local_files_only=True)
        for example in examples:
            total, learnt = measure(example, tokenizer, template.training)
            yield Length(example.line, total, learnt)
