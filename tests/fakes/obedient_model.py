"""A model for `FakeEngine` that obeys every order it reads, whoever wrote it: the worst that a model can be.

An order is a line `ORDER name {arguments}` anywhere in the prompt: a document, its title, the result of a call.
In the arguments `$ALL` stands for the whole prompt, `$SYSTEM` for the system message, `$LAST` for the last one.
Each order is obeyed once; without a further one it answers with all that it has read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.engine import Reply

_ORDER = re.compile(r"ORDER (\w+) (\{.*?\})")


@dataclass
class ObedientModel:
    """The model and the orders that it has obeyed."""

    obeyed: list[tuple[str, str]] = field(default_factory=list)
    _chosen: tuple[str, str] | None = None

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        """Return what it says to a chat request."""
        if body.get("response_format") and self._chosen is not None:
            return Reply(self._arguments(body, self._chosen[1]))
        order = self._next(body)
        if choices := (body.get("structured_outputs") or {}).get("choice"):
            self._chosen = order if order is not None and order[0] in choices else None
            return Reply(order[0] if self._chosen and order else "none")
        if body.get("tools") and body.get("tool_choice") != "none" and order is not None:
            return Reply(text="", tool_calls=((order[0], self._arguments(body, order[1])),))
        return Reply(_prompt(body))

    def _next(self, body: Mapping[str, Any]) -> tuple[str, str] | None:
        for order in _ORDER.findall(_prompt(body)):
            if order not in self.obeyed:
                self.obeyed.append(order)
                return order[0], order[1]
        return None

    def _arguments(self, body: Mapping[str, Any], written: str) -> str:
        words = {
            "$ALL": _prompt(body),
            "$SYSTEM": str(body["messages"][0]["content"]),
            "$LAST": str(body["messages"][-1]["content"]),
        }
        return json.dumps({name: words.get(value, value) for name, value in json.loads(written).items()})


def _prompt(body: Mapping[str, Any]) -> str:
    return "\n".join(str(message.get("content") or "") for message in body["messages"])
