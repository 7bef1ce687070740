"""A case: what is asked, and what would be right. Knows no grader and no file."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Part(BaseModel):
    """A piece of an eval file: what is unknown in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(Part):
    """One message before the answer."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = Field("", max_length=100_000)
    tool_calls: list[dict[str, JsonValue]] | None = None
    tool_call_id: str | None = None


class ExpectedCall(Part):
    """A call that would be right."""

    name: Word
    arguments: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Argument → its value; or `any_of` and a list, in which '' lets it be left out.",
    )


class Case(Part):
    """One question.

    Either `prompt` or `messages` says what is asked, or `likelihood` what is weighed; what else stands here is
    what graders compare with.
    """

    id: str = Field("", max_length=200, description="Its name in the report; else its place.")
    prompt: Text | None = Field(None, description="What the user says.")
    messages: list[Message] | None = Field(None, max_length=200, description="A whole conversation instead.")
    likelihood: list[Text] | None = Field(
        None, min_length=1, max_length=2, description="A text, or two, whose likelihood is asked for instead."
    )
    expected: list[str] = Field(default_factory=list, max_length=50, description="Answers that are right.")
    calls: list[ExpectedCall] | None = Field(None, description="Tool calls that are right; [] asks for none.")
    sources: list[Word] = Field(default_factory=list, description="Documents, one of which must be cited.")
    contains: list[Text] = Field(default_factory=list, description="Texts that must be in the answer.")
    forbids: list[Text] = Field(default_factory=list, description="Texts that must not.")
    tools: list[dict[str, JsonValue]] = Field(default_factory=list, description="Tools that the client offers.")
    label: Word | None = Field(None, description="Its intent or class; a slice of the report.")
    tags: list[Word] = Field(default_factory=list, max_length=20, description="Further slices.")
    group: Word | None = Field(None, description="What it belongs to; resampled as one.")

    @model_validator(mode="before")
    @classmethod
    def _one_expected(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("expected"), str):
            return {**value, "expected": [value["expected"]]}
        return value

    @model_validator(mode="after")
    def _asks_once(self) -> "Case":
        if sum(one is not None for one in (self.prompt, self.messages, self.likelihood)) != 1:
            raise ValueError("write either `prompt`, `messages` or `likelihood`")
        if self.messages is not None and (not self.messages or self.messages[-1].role not in ("user", "tool")):
            raise ValueError("`messages` end with what the user says, or with a tool's result")
        return self

    @property
    def question(self) -> str:
        """What was said last before the answer."""
        if self.likelihood is not None:
            return " / ".join(self.likelihood)
        return self.prompt if self.prompt is not None else (self.messages or [])[-1].content

    def asked(self) -> list[dict[str, object]]:
        """Return the messages as a request has them."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt}]
        return [message.model_dump(exclude_none=True) for message in self.messages]

    def slices(self) -> list[str]:
        """Return the slices that it is counted in, beside all."""
        return [*([f"label:{self.label}"] if self.label else []), *(f"tag:{tag}" for tag in self.tags)]
