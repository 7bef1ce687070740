"""What an eval file says of a judge: where it is, what it is told, and how far people agree with it."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from adapters.evaluation.case import Part, Text

RUBRIC = (
    "Which answer serves the person better: correct, complete, to the point, and in the tone that the assistant "
    "is meant to have? Length alone is no merit."
)


class Labelled(Part):
    """Two answers that a person has compared."""

    prompt: Text
    a: str = Field(max_length=100_000)
    b: str = Field(max_length=100_000)
    human: Literal["a", "b", "tie"]
    reference: str = Field("", max_length=100_000)


class Judge(Part):
    """A model behind an OpenAI-compatible URL. It should not be of the base's own family."""

    url: str = Field(max_length=1_000, description="Base URL, such as https://host/v1; the network guard applies.")
    model: str = Field(min_length=1, max_length=200, description="Its model name there.")
    secret: str | None = Field(
        None, max_length=100, description="Name of a bearer secret that is bound to the host."
    )
    rubric: Text = Field(RUBRIC, description="What it judges by.")
    labels: list[Labelled] = Field(
        default_factory=list,
        max_length=5_000,
        description="Pairs that people have compared, to measure agreement.",
    )
    min_labels: int = Field(200, ge=1, description="With fewer of them a rule on the judge is inconclusive.")
    min_kappa: float = Field(0.6, ge=-1, le=1, description="With less agreement, too.")

    @field_validator("url")
    @classmethod
    def _is_web(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise ValueError("write a URL such as https://host/v1")
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise ValueError("write no key into the URL; `secret` names one of the server's secrets")
        return url.rstrip("/")
