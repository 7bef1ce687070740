"""Prompts of training rows, made by the server's own functions.

An adapter helps only on prompts like those that it was trained on, so nothing is worded here twice.
Owns the way from phrases to chat messages; must never know what a persona talks about.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from pydantic import BaseModel

from actions import ActionSet, NetworkGrants, Secrets, fence, guided
from core.ids import PersonaId
from retrieval import Passage
from server.personas.loader import Persona, load_file
from server.personas.schema import PersonaSpec
from server.turn import prompt

ROOT = Path(__file__).resolve().parents[2]
PASSAGES_MARK = "\n\n# Passages\n"
Values = dict[str, str | int]


class Message(TypedDict):
    """One chat message in OpenAI's training format; weight 0 is read and not learnt."""

    role: str
    content: str
    weight: NotRequired[int]


class Row(TypedDict):
    """One training example: a chat whose assistant messages are learnt."""

    messages: list[Message]


class PassageText(BaseModel):
    """What the model sees of a passage."""

    title: str
    heading: str
    text: str


def load_persona(path: Path) -> Persona:
    """Return the persona in `path` as the server loads it.

    Raises:
        ValueError: the file is no whole persona.
    """
    loaded = load_file(path, _actions)
    if isinstance(loaded, Persona):
        return loaded
    raise ValueError("\n".join(str(problem) for problem in loaded))


def system_message(persona: str) -> Message:
    """Return the system message with which the server speaks for `persona`."""
    loaded = load_persona(ROOT / "personas" / f"{persona}.yaml")
    content = prompt.system_text(loaded.spec.instructions, loaded.actions.operations, ())
    return {"role": "system", "content": content}


def action_names(persona: str) -> list[str]:
    """Return the names of the operations that `persona` may call."""
    loaded = load_persona(ROOT / "personas" / f"{persona}.yaml")
    return [operation.name for operation in loaded.actions.operations]


def with_passages(question: str, passages: Sequence[PassageText]) -> Message:
    """Return the user message that carries `question` and what retrieval found for it."""
    return {"role": "user", "content": prompt.with_passages(question, [_passage(each) for each in passages])}


def without_passages(content: str) -> str:
    """Return the bare question of a user message made by `with_passages`."""
    return content.split(PASSAGES_MARK, 1)[0]


def decision(names: Sequence[str], answer: str) -> list[Message]:
    """Return the two messages that choose among the actions `names` and none."""
    return [
        {"role": "user", "content": guided.decision_prompt(names)},
        {"role": "assistant", "content": answer},
    ]


def arguments(action: str, values: Values) -> list[Message]:
    """Return the two messages that write the arguments of `action`."""
    return [
        {"role": "user", "content": guided.arguments_prompt(action)},
        {"role": "assistant", "content": json.dumps(values)},
    ]


def called(action: str, values: Mapping[str, str | int], result: str) -> list[Message]:
    """Return the two messages that tell of a call; the server writes both, so neither is learnt."""
    text = guided.call_text(action, dict(values))
    return [
        {"role": "assistant", "content": text, "weight": 0},
        {"role": "user", "content": guided.result_prompt(action, fence(result))},
    ]


def _passage(shown: PassageText) -> Passage:
    return Passage(
        id="",
        store="",
        document_id="",
        path="",
        title=shown.title,
        heading=shown.heading,
        text=shown.text,
        start=0,
        end=len(shown.text),
        cosine=0.0,
        score=0.0,
    )


def _actions(spec: PersonaSpec) -> ActionSet:
    return ActionSet.load(
        spec.actions,
        root=ROOT,
        grants=NetworkGrants.parse(["127.0.0.1:8100"]),
        secrets=Secrets.none(),
        persona=PersonaId(spec.id),
    )
