"""The base of all shapes of answers: exact, so that the document promises neither less nor more."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """What an answer looks like. Routes write answers themselves; tests hold them to these shapes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
