"""The judged set: an OpenAPI document of 64 operations, and for each a question with the call that answers it.

Eight personas have eight operations each, since no small model chooses among sixty-four. Knows no engine.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from actions.json_value import JsonObject

DOCUMENT = "benchmarks/calling/api.yaml"
"""Where the document is in the checkout."""

LONGEST_ANSWER = 256
"""Tokens of an answer: many more than any call of the set needs."""

WAYS = ("guided", "native")
"""Each persona is there once for each way of calling."""

_QUESTIONS = Path(__file__).parent / "questions.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a persona.

    Attributes:
        operation: the one that answers it.
        arguments: its exact arguments; what the question leaves open is left out.
    """

    persona: str
    question: str
    operation: str
    arguments: JsonObject

    def model(self, way: str) -> str:
        """Return the name of the persona that calls in this way."""
        return f"{self.persona}-{way}"


def questions() -> list[Asked]:
    """Return the questions, one for each operation of the document."""
    return [Asked(**json.loads(line)) for line in _QUESTIONS.read_text(encoding="utf-8").splitlines()]


def write_personas(folder: Path, server: str, asked: Iterable[Asked]) -> None:
    """Write the persona files of some questions; to them all operations are harmless, so that they are called.

    Args:
        folder: gets a file for each persona and way of calling; it is made.
        server: base URL of the service.
        asked: the personas are theirs, with the operations of them all.
    """
    folder.mkdir()
    operations: dict[str, list[str]] = {}
    for one in asked:
        operations.setdefault(one.persona, []).append(one.operation)
    for persona, names in operations.items():
        for way in WAYS:
            spec = {
                "id": f"{persona}-{way}",
                "name": persona,
                "instructions": f"You work for the {persona} of Marrow Bay and do what people ask for.",
                "model": {"sampling": {"temperature": 0.0}, "limits": {"max_output_tokens": LONGEST_ANSWER}},
                "actions": [
                    {
                        "document": DOCUMENT,
                        "server": server,
                        "operations": [{"id": name, "consequential": False} for name in names],
                    }
                ],
                "calling": way,
            }
            (folder / f"{persona}-{way}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
