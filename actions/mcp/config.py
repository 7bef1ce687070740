"""Which MCP servers there are: a file of the server's settings. Owns its shape; must never know the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from actions.errors import DocumentInvalid
from core.errors import InvalidRequest
from core.ids import PersonaId

ServerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class McpServer(BaseModel):
    """One MCP server that answers over streamable HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(max_length=2_000, description="Its endpoint, such as https://mcp.example.com/mcp.")]
    secrets: Annotated[
        tuple[str, ...],
        Field(
            max_length=8, description="Names in the secrets file; each travels in the header that it says there."
        ),
    ] = ()
    personas: Annotated[tuple[str, ...] | None, Field(description="Personas that may use it; absent: all.")] = None
    seconds: Annotated[
        float, Field(gt=0, le=300, description="Longest time for one call, connecting included.")
    ] = 45

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str) -> str:
        try:
            url = httpx.URL(value)
        except httpx.InvalidURL as error:
            raise ValueError("is no URL") from error
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.fragment:
            raise ValueError("must be an http or https URL without user name and fragment")
        return value


@dataclass(frozen=True, slots=True)
class McpServers:
    """All MCP servers of the settings."""

    by_name: Mapping[str, McpServer]

    @classmethod
    def none(cls) -> "McpServers":
        """Return no servers."""
        return cls({})

    @classmethod
    def read(cls, path: Path) -> "McpServers":
        """Read the file: YAML, name → server.

        Raises:
            InvalidRequest: it cannot be read or used.
        """
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            return cls(TypeAdapter(dict[ServerName, McpServer]).validate_python(raw))
        except ValidationError as error:
            problems = "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InvalidRequest(f"The file of MCP servers {str(path)!r} is not usable: {problems}.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InvalidRequest(
                f"The file of MCP servers {str(path)!r} cannot be read as YAML of the form `name: {{url: …}}`."
            ) from error

    def get(self, name: str, persona: PersonaId) -> McpServer:
        """Return the server `name`, for `persona`.

        Raises:
            DocumentInvalid: there is none, or it is not for this persona.
        """
        server = self.by_name.get(name)
        if server is None:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise DocumentInvalid(
                f"There is no MCP server {name!r} in the file that REPERTORY_MCP_FILE names. It has: {known}."
            )
        if server.personas is not None and persona not in server.personas:
            raise DocumentInvalid(f"The MCP server {name!r} is not for the persona {str(persona)!r}.")
        return server
