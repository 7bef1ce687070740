"""From pinned tools to what a model may call. Owns the mapping; must never know the network.

A tool is consequential unless the persona says otherwise: what a server says of its own tool loosens nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from actions.config import McpConfig, ToolChoice
from actions.errors import DocumentInvalid
from actions.json_schema import schema_problem
from actions.json_value import JsonObject
from actions.mcp.config import McpServer
from actions.mcp.definition import ToolDefinition
from actions.naming import unique_names
from actions.operation import SkippedOperation
from actions.schema import Definitions, SchemaReader, closed, strict
from actions.text import MAX_DESCRIPTION, one_line

_MAX_SCHEMA = 50_000


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool as a persona offers it.

    Attributes:
        definition: the tool as it was pinned; it alone is called.
        service: name of its server in the settings.
        url: the server's endpoint.
        seconds: longest time for a call.
        secrets: names of those that are sent along.
        strict: as in `Operation`.
        judged: the operator has said in the persona whether it is consequential.
    """

    name: str
    title: str
    description: str
    parameters: JsonObject
    consequential: bool
    definition: ToolDefinition
    service: str
    url: str
    seconds: float
    secrets: tuple[str, ...] = ()
    strict: JsonObject | None = None
    judged: bool = False
    notes: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The endpoint without its query: who answers."""
        return str(httpx.URL(self.url).copy_with(query=None))

    @property
    def request(self) -> str:
        """What is called, in few words, for people."""
        return f"MCP {self.service}: {self.definition.name}"

    @property
    def address(self) -> str:
        """What is called, in full, for people."""
        return f"MCP {self.url} {self.definition.name}"

    @property
    def target(self) -> str:
        """Protocol and server, for the journal."""
        return f"MCP {self.server}"


def offered_tools(
    tools: Sequence[ToolDefinition], config: McpConfig, server: McpServer
) -> tuple[tuple[McpTool, ...], tuple[SkippedOperation, ...]]:
    """Return the tools that `config` offers, and those that cannot be offered.

    Raises:
        DocumentInvalid: the persona names a tool that the server lacks, or one that cannot be offered.
    """
    names = dict(zip((tool.name for tool in tools), unique_names([(t.name, t.name) for t in tools]), strict=True))
    by_name = {tool.name: tool for tool in tools}
    choices = config.choices
    chosen = [ToolChoice(id=tool.name) for tool in tools] if choices is None else choices
    offered, skipped = [], []
    for choice in chosen:
        tool = by_name.get(choice.id)
        if tool is None:
            known = ", ".join(by_name) or "none"
            raise DocumentInvalid(
                f"The MCP server {config.mcp!r} has no tool {choice.id!r}. It has: {known:.500}."
            )
        try:
            offered.append(_tool(tool, choice, names[tool.name], config, server))
        except DocumentInvalid as error:
            if choices is not None:
                raise
            skipped.append(SkippedOperation(tool.name, error.message))
    return tuple(offered), tuple(skipped)


def _tool(tool: ToolDefinition, choice: ToolChoice, name: str, config: McpConfig, server: McpServer) -> McpTool:
    parameters, checked = _parameters(tool, config.mcp)
    return McpTool(
        name=choice.name or name,
        title=f"{config.mcp}: {one_line(tool.name, 200)}",
        description=choice.description or one_line(tool.description or tool.title or tool.name, MAX_DESCRIPTION),
        parameters=parameters,
        consequential=choice.consequential,
        definition=tool,
        service=config.mcp,
        url=server.url,
        seconds=server.seconds,
        secrets=server.secrets,
        strict=checked,
        judged="consequential" in choice.model_fields_set,
    )


def _parameters(tool: ToolDefinition, server: str) -> tuple[JsonObject, JsonObject | None]:
    """Return what is decoded, and what is checked where that says more."""
    reader = SchemaReader(Definitions(tool.schema, f"{server}: {tool.name[:100]}"))
    marked = reader.read(tool.schema)
    if marked.setdefault("type", "object") != "object":
        raise DocumentInvalid(f"The tool {tool.name!r} of {server!r} takes no object of arguments. Leave it out.")
    parameters, definitions = closed(marked), reader.definitions()
    whole = strict(marked, definitions) if definitions else None
    if len(json.dumps(whole or parameters)) > _MAX_SCHEMA:
        raise DocumentInvalid(
            f"The arguments of the tool {tool.name!r} of {server!r} take more than {_MAX_SCHEMA:,} characters to "
            "describe. Leave it out."
        )
    if schema_problem(parameters):
        raise DocumentInvalid(f"The schema of the tool {tool.name!r} of {server!r} is not valid. Leave it out.")
    return parameters, whole
