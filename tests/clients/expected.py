"""What each run of a client's tests comes to, exactly. `docs/clients.md` shows the same figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PERSONAS = (
    "TestPlainPersona",
    "TestPersonaWithKnowledge",
    "TestPersonaWithGuidedActions",
    "TestPersonaWithNativeActions",
)
BLIND_AND_DEAF = {
    "test_pdf_inputs": "Model does not support PDF inputs.",
    "test_audio_inputs": "Model does not support audio inputs.",
    "test_image_inputs": "Model does not support image message.",
    "test_image_tool_message": "Model does not support image tool message.",
    "test_pdf_tool_message": "Model does not support PDF tool message.",
}
"""Tests of `langchain-tests` that need a base model which sees or hears, and the words of their skipping."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Figures of one run.

    Attributes:
        passed: how many tests pass.
        skipped: test → why it cannot run.
    """

    passed: int
    skipped: Mapping[str, str] = field(default_factory=dict)


ON_NODE = "ai-sdk"
EXPECTED = {
    ON_NODE: Expected(40),
    "langchain": Expected(
        200,
        {
            f"test_langchain_chat.{persona}::{test}": reason
            for persona in PERSONAS
            for test, reason in BLIND_AND_DEAF.items()
        },
    ),
    "litellm": Expected(9),
    "llm": Expected(11),
    "openai": Expected(28),
}
