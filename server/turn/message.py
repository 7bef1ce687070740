"""One message of a conversation as the client tells it, checked.

Owns roles and kinds of content; what the engine's text models cannot read is refused in words. Knows no
persona and no prompt.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)

from server.wire import complaint

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]

_SENSES = {
    "image_url": "cannot see images",
    "input_audio": "cannot hear",
    "file": "cannot open files",
    "video_url": "cannot see films",
}


class Lenient(BaseModel):
    """Extra keys are dropped, not refused: SDKs decorate messages with fields of their own."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(Lenient):
    """A piece of text."""

    type: Literal["text"]
    text: str


class RefusalPart(Lenient):
    """A piece of an earlier answer in which the model refused."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """What was said."""
        return self.refusal


def _kind(part: object) -> str | None:
    given = part.get("type") if isinstance(part, dict) else None
    return f"[{given}]" if given in ("text", "refusal") else None


def _readable(part: object) -> object:
    given = part.get("type") if isinstance(part, dict) else None
    if isinstance(given, str) and given in _SENSES:
        raise complaint(
            "unsupported_value",
            f"The base model reads text only; it {_SENSES[given]}. Send the content as a text part.",
            field="type",
        )
    if given not in ("text", "refusal"):
        raise complaint("invalid_value", "A content part is an object of the type 'text'.", field="type")
    return part


Part = Annotated[
    Annotated[TextPart, Tag("[text]")] | Annotated[RefusalPart, Tag("[refusal]")],
    Discriminator(_kind),
    BeforeValidator(_readable),
]


def _shape(content: object) -> str:
    return "[parts]" if isinstance(content, list) else "[string]"


Content = Annotated[
    Annotated[str, Tag("[string]")] | Annotated[list[Part], Tag("[parts]"), Field(max_length=2048)],
    Discriminator(_shape),
]


class CalledFunction(Lenient):
    """Name and arguments of a call that the model made."""

    name: FunctionName
    arguments: str


class CalledTool(Lenient):
    """A call that the model made in an earlier answer."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(Lenient):
    """One message of the conversation as the client tells it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    refusal: str | None = None
    name: str | None = Field(None, max_length=64)
    tool_calls: list[CalledTool] | None = Field(None, max_length=128)
    tool_call_id: str | None = None
    function_call: Annotated[object, WithJsonSchema({"type": "null"})] = None
    audio: Annotated[object, WithJsonSchema({"type": "null"})] = None

    @model_validator(mode="after")
    def _whole(self) -> "ChatMessage":
        if self.function_call is not None:
            raise complaint(
                "unsupported_parameter",
                "'function_call' is an old form that is not read. Send the call as 'tool_calls'.",
                field="function_call",
            )
        if self.audio is not None:
            raise complaint(
                "unsupported_parameter",
                "Answers are text only, so there is no earlier audio. Send the answer's text as 'content'.",
                field="audio",
            )
        if self.tool_calls and self.role != "assistant":
            raise complaint("invalid_value", "Only an assistant message has 'tool_calls'.", field="tool_calls")
        if self.role == "tool" and self.tool_call_id is None:
            raise complaint(
                "missing_required_parameter",
                "A message of the role 'tool' needs 'tool_call_id', the id of the call that it answers.",
                field="tool_call_id",
            )
        if self.content is None and not self._says_without_content():
            raise complaint(
                "missing_required_parameter", "The message has no content. Send a text.", field="content"
            )
        return self

    @property
    def text(self) -> str:
        """What the message says, as one string."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or (self.refusal if self.role == "assistant" else None) or ""

    def _says_without_content(self) -> bool:
        return self.role == "assistant" and bool(self.tool_calls or self.refusal)
