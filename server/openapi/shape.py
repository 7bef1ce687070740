"""The base of all shapes of answers: exact, so that the document promises neither less nor more."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """What an answer looks like. Routes write answers themselves; tests hold them to these shapes.

    Their schemas are built when the document is first asked for, not when the server starts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
