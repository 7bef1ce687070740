"""Graders: what they are called in an eval file, and what each measures. The face."""

from typing import Annotated

from pydantic import Field

from adapters.evaluation.graders.calls import ToolCall
from adapters.evaluation.graders.consistent import Consistent
from adapters.evaluation.graders.installed import Installed
from adapters.evaluation.graders.labels import Label
from adapters.evaluation.graders.likelihood import Preference, Surprise
from adapters.evaluation.graders.overlap import Bleu, ChrF, RougeL
from adapters.evaluation.graders.personal import Personal
from adapters.evaluation.graders.refusal import Refusal
from adapters.evaluation.graders.service import Cited, Finished, Latency
from adapters.evaluation.graders.structure import JsonSchema
from adapters.evaluation.graders.texts import Contains, Exact, Forbids, Normalised, Regex

Grader = Annotated[
    Exact
    | Normalised
    | Contains
    | Forbids
    | Regex
    | Label
    | Bleu
    | ChrF
    | RougeL
    | JsonSchema
    | ToolCall
    | Cited
    | Latency
    | Finished
    | Refusal
    | Consistent
    | Personal
    | Preference
    | Surprise
    | Installed,
    Field(discriminator="kind"),
]

__all__ = ["Consistent", "Contains", "Forbids", "Grader", "Personal", "Preference", "Refusal", "Surprise"]
