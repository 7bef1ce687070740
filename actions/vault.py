"""Secrets that actions send along. Owns who may use which secret where, and keeping them out of text.

Secrets come from the server's settings and are bound to hosts and personas; a persona's YAML only names one.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import httpx
import yaml
from pydantic import ValidationError

from actions.addresses import NetworkGrants, port_of
from actions.credentials import basic, of_secret
from actions.errors import SecretRefused
from actions.hiding import hidden
from actions.secret import (
    AuthorizationCode,
    ClientCredentials,
    OAuthSecret,
    Secret,
    SentSecret,
    Signing,
    secret_of,
)
from core.errors import InvalidRequest
from core.ids import PersonaId

_REMEMBERED = 64


class Secrets:
    """All secrets of the server."""

    def __init__(self, by_name: Mapping[str, Secret]) -> None:
        self.by_name = dict(by_name)
        self._tokens: OrderedDict[str, None] = OrderedDict()

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
            entries = [(str(name), fields) for name, fields in raw.items()]
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError):
            raise InvalidRequest(
                f"The secrets file {str(path)!r} cannot be read as YAML of the form `name: {{value, hosts}}`."
            ) from None
        return cls({name: _one(path, name, fields) for name, fields in entries})

    def get(self, name: str, persona: PersonaId, url: httpx.URL, grants: NetworkGrants) -> SentSecret:
        """Return the secret `name`, for `persona` calling `url`.

        Raises:
            SecretRefused: there is no such secret, or it is not bound to this persona or host, or it is never
                sent, or would travel in the clear over a network that the settings do not name.
        """
        secret = self.of_persona(name, persona)
        if isinstance(secret, Signing):
            raise SecretRefused(f"The secret {name!r} signs hooks and is never sent. Name another one.")
        _reaching(name, secret, url, grants)
        if isinstance(secret, OAuthSecret):
            _encrypted(name, httpx.URL(secret.token_url), grants)
        return secret

    def signing_key(self, name: str, persona: PersonaId, url: httpx.URL | None, grants: NetworkGrants) -> bytes:
        """Return the key with which `persona` checks signatures, and signs what goes to `url`.

        Raises:
            SecretRefused: there is none, or it is not bound to this persona or host, or is one that is sent, or
                what it signs would travel in the clear.
        """
        secret = self.of_persona(name, persona)
        if not isinstance(secret, Signing):
            raise SecretRefused(f"The secret {name!r} is sent to others and cannot sign. Write `kind: signing`.")
        if url is not None:
            _reaching(name, secret, url, grants)
        return secret.value.get_secret_value().encode()

    def of_persona(self, name: str, persona: PersonaId) -> Secret:
        """Return the secret `name`, if there is one and `persona` may use it.

        Raises:
            SecretRefused: there is none, or the persona may not.
        """
        secret = self.by_name.get(name)
        if secret is None:
            raise SecretRefused(f"There is no secret {name!r}. Add it to the server's secrets file.")
        if not secret.serves(persona):
            raise SecretRefused(f"The secret {name!r} is not bound to the persona {str(persona)!r}.")
        return secret

    def learn(self, *tokens: str | None) -> None:
        """Remember tokens that were obtained at run time, so that `hide` knows them; the newest of them."""
        for token in filter(None, tokens):
            self._tokens[token] = None
            self._tokens.move_to_end(token)
        while len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)

    def hide(self, text: str, *more: str) -> str:
        """Return `text` with every secret and token, in the forms that services echo, made unreadable.

        Args:
            text: from outside.
            more: what was sent with this very request.
        """
        known = [value for secret in self.by_name.values() for value in _values(secret)]
        return hidden(text, [*more, *known, *self._tokens])


def _one(path: Path, name: str, fields: object) -> Secret:
    try:
        return secret_of(fields)
    except ValidationError as error:
        problems = "; ".join(
            "/".join([name, *(str(part) for part in one["loc"][1:])])
            + ": "
            + one["msg"].removeprefix("Value error, ")
            for one in error.errors(include_input=False)
        )
        raise InvalidRequest(f"The secrets file {str(path)!r} is not usable: {problems}.") from None


def _reaching(name: str, secret: Secret, url: httpx.URL, grants: NetworkGrants) -> None:
    if not secret.reaches(url):
        raise SecretRefused(f"The secret {name!r} is not bound to the host {url.host!r}.")
    _encrypted(name, url, grants)


def _encrypted(name: str, url: httpx.URL, grants: NetworkGrants) -> None:
    if url.scheme != "https" and not grants.allow(url.host, port_of(url)):
        raise SecretRefused(f"The secret {name!r} would travel unencrypted to {url.host!r}. Use https.")


def _values(secret: Secret) -> tuple[str, ...]:
    """Return what must not be shown of a secret."""
    if isinstance(secret, Signing):
        return (secret.value.get_secret_value(),)
    if not isinstance(secret, ClientCredentials | AuthorizationCode):
        return of_secret(secret).values
    if secret.client_secret is None:
        return ()
    text = secret.client_secret.get_secret_value()
    return (text, basic(secret.client_id, text))
