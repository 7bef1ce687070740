"""The tools that a client brings, and which of them the model is to call."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, Tag

from server.turn.message import FunctionName, Lenient
from server.wire import complaint

JsonDict = dict[str, JsonValue]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FunctionTool(Lenient):
    """A function of the client's."""

    name: FunctionName
    description: str | None = None
    parameters: JsonDict | None = None
    strict: bool | None = None


class Tool(Lenient):
    """A tool of the client's; the answer hands its calls back."""

    type: Literal["function"]
    function: FunctionTool


class NamedFunction(_Strict):
    """A function by its name."""

    name: FunctionName


class NamedTool(_Strict):
    """The tool that the model must call."""

    type: Literal["function"]
    function: NamedFunction


class Allowance(_Strict):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool] = Field(min_length=1, max_length=128)


class AllowedTools(_Strict):
    """The tools that the model may choose among."""

    type: Literal["allowed_tools"]
    allowed_tools: Allowance


_KINDS = {"function": "[named]", "allowed_tools": "[allowed]"}


def _kind(choice: object) -> str:
    if isinstance(choice, NamedTool | AllowedTools):
        return _KINDS[choice.type]
    return _KINDS.get(str(choice.get("type")), "[word]") if isinstance(choice, dict) else "[word]"


def _known(choice: object) -> object:
    if isinstance(choice, dict) and str(choice.get("type")) not in _KINDS:
        raise complaint("unsupported_value", "tool_choice is a word, a function or 'allowed_tools'.", field="type")
    return choice


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("[word]")]
    | Annotated[NamedTool, Tag("[named]")]
    | Annotated[AllowedTools, Tag("[allowed]")],
    Discriminator(_kind),
    BeforeValidator(_known),
]


def names_in(choice: str | NamedTool | AllowedTools | None) -> list[str]:
    """Return the functions that a choice names."""
    if isinstance(choice, NamedTool):
        return [choice.function.name]
    if isinstance(choice, AllowedTools):
        return [tool.function.name for tool in choice.allowed_tools.tools]
    return []


def forces(choice: str | NamedTool | AllowedTools | None) -> bool:
    """Tell whether the model must call a tool of the client's."""
    if isinstance(choice, AllowedTools):
        return choice.allowed_tools.mode == "required"
    return choice == "required" or isinstance(choice, NamedTool)
