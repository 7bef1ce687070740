"""Chat templates: how messages become the text that a base model reads.

Owns which template belongs to which base, its twin with loss marks, and its hash. Must never know vLLM or
a tokenizer: the engine renders with `ChatTemplate.path`, the trainer with `ChatTemplate.training`.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidRequest

TEMPLATE_PATH = Path(__file__).with_name("serving.jinja")
"""Our template for SmolLM2, which the engine is started with."""

_TRAINING_PATH = Path(__file__).with_name("training.jinja")

# SmolLM2 is known by the sentence that its own template inserts where there is no system message.
_SMOLLM2_MARK = "named SmolLM, trained by Hugging Face<|im_end|>"


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """The template of one base model.

    Attributes:
        serving: the Jinja source that the engine renders with.
        training: the same with `{% generation %}` marks, or None where the trainer must find a marked twin.
        path: the file to start the engine with, or None where the engine takes the base's own template.
    """

    serving: str
    training: str | None
    path: Path | None

    @property
    def hash(self) -> str:
        """The hash of the serving template (SHA-256, hex)."""
        return hashlib.sha256(self.serving.encode()).hexdigest()


def template_of(model_dir: Path) -> ChatTemplate:
    """Return the template of the base in `model_dir`: ours for SmolLM2, the base's own for any other.

    Raises:
        InvalidRequest: the folder has no chat template.
    """
    own = _own_template(model_dir)
    if _SMOLLM2_MARK in own:
        return ChatTemplate(TEMPLATE_PATH.read_text(), _TRAINING_PATH.read_text(), TEMPLATE_PATH)
    return ChatTemplate(own, own if "{%- generation" in own or "{% generation" in own else None, None)


def template_hash(model_dir: Path | None = None) -> str:
    """Return the hash of the template that serves the base in `model_dir`, or of ours for SmolLM2."""
    if model_dir is None:
        return hashlib.sha256(TEMPLATE_PATH.read_bytes()).hexdigest()
    return template_of(model_dir).hash


def _own_template(model_dir: Path) -> str:
    file = model_dir / "chat_template.jinja"
    if file.is_file():
        return file.read_text()
    settings = model_dir / "tokenizer_config.json"
    template = json.loads(settings.read_text()).get("chat_template") if settings.is_file() else None
    if isinstance(template, list):  # several by name; the engine renders with the one called "default"
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not isinstance(template, str):
        raise InvalidRequest(
            f"The base model in {str(model_dir)!r} has no chat template. Take an instruction-tuned model, "
            "or put a chat_template.jinja into its folder.",
            code="base_without_template",
        )
    return template
