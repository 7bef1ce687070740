"""Secrets that actions send along. Owns who may use which secret where, and keeping them out of text.

Secrets come from the server's settings and are bound to hosts and personas; a persona's YAML only names one.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, quote_plus

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from actions.addresses import NetworkGrants, canonical_host
from actions.errors import SecretRefused
from core.errors import InvalidRequest
from core.ids import PersonaId

_HIDDEN = "[secret]"
_MIN_LENGTH = 8
_PORTS = {"http": 80, "https": 443}


class SendAs(StrEnum):
    """How a secret travels."""

    BEARER = "bearer"
    HEADER = "header"


class Secret(BaseModel):
    """One secret of the secrets file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[SecretStr, Field(description="The secret itself: an API key or a token.")]
    hosts: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="Hosts that it may be sent to: `host` or `host:port`."),
    ]
    personas: Annotated[tuple[str, ...] | None, Field(description="Personas that may use it; absent: all.")] = None
    send_as: Annotated[SendAs, Field(description="`bearer` (Authorization) or `header`.")] = SendAs.BEARER
    header: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9-]+$", description="Name of the header for `send_as: header`.")
    ] = "X-API-Key"

    @field_validator("value")
    @classmethod
    def _sendable(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if len(text) < _MIN_LENGTH or not all(" " < character <= "~" for character in text):
            # A header with another character is refused later with a message that shows the value.
            raise ValueError(f"a secret has at least {_MIN_LENGTH} printable ASCII characters without spaces")
        return value

    def reaches(self, url: httpx.URL) -> bool:
        """Tell whether the secret may be sent to `url`'s host."""
        host = canonical_host(url.host)
        port = url.port or _PORTS.get(url.scheme, 0)
        allowed = {canonical_host(entry) for entry in self.hosts}
        return host in allowed or f"{host}:{port}" in allowed

    def headers(self) -> dict[str, str]:
        """Return the header that carries the secret."""
        text = self.value.get_secret_value()
        if self.send_as is SendAs.BEARER:
            return {"Authorization": f"Bearer {text}"}
        return {self.header: text}


@dataclass(frozen=True, slots=True)
class Secrets:
    """All secrets of the server."""

    by_name: Mapping[str, Secret]

    @classmethod
    def none(cls) -> "Secrets":
        """Return no secrets."""
        return cls({})

    @classmethod
    def read(cls, path: Path) -> "Secrets":
        """Read the secrets file: YAML, name → secret.

        Raises:
            InvalidRequest: it cannot be read or used; no value is shown.
        """
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            return cls({str(name): Secret.model_validate(fields) for name, fields in raw.items()})
        except ValidationError as error:
            problems = "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InvalidRequest(f"The secrets file {str(path)!r} is not usable: {problems}.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError):
            raise InvalidRequest(
                f"The secrets file {str(path)!r} cannot be read as YAML of the form `name: {{value, hosts}}`."
            ) from None

    def headers(self, name: str, persona: PersonaId, url: httpx.URL, grants: NetworkGrants) -> dict[str, str]:
        """Return the header of the secret `name`, for `persona` calling `url`.

        Raises:
            SecretRefused: there is no such secret, or it is not bound to this persona or host, or it would
                travel in the clear over a network that the settings do not name.
        """
        secret = self.by_name.get(name)
        if secret is None:
            raise SecretRefused(f"There is no secret {name!r}. Add it to the server's secrets file.")
        if secret.personas is not None and persona not in secret.personas:
            raise SecretRefused(f"The secret {name!r} is not bound to the persona {str(persona)!r}.")
        if not secret.reaches(url):
            raise SecretRefused(f"The secret {name!r} is not bound to the host {url.host!r}.")
        if url.scheme != "https" and not grants.allow(url.host, url.port or _PORTS["http"]):
            raise SecretRefused(f"The secret {name!r} would travel unencrypted to {url.host!r}. Use https.")
        return secret.headers()

    def hide(self, text: str) -> str:
        """Return `text` with every secret, also in the forms that services echo, made unreadable."""
        for secret in self.by_name.values():
            for form in _forms(secret.value.get_secret_value()):
                text = text.replace(form, _HIDDEN)
        return text


def _forms(value: str) -> Iterable[str]:
    encoded = base64.b64encode(value.encode()).decode()
    forms = {
        value,
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        encoded,
        encoded.rstrip("="),
    }
    return sorted(forms, key=len, reverse=True)
