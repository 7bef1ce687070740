"""The kinds of secrets that the secrets file may hold. Owns their shape; must never know files or a network.

Each is bound to hosts and personas. What an operator writes here is trusted; what a persona writes is a name.
"""

from typing import Annotated, Literal

import httpx
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)

from actions.addresses import WEB_PORTS, canonical_host, port_of

LEAST = 8
"""Characters of the shortest secret: a shorter one could not be hidden without tearing other words apart."""

LEAST_OF_A_KEY = 24
"""Characters of the shortest secret that signs: a shorter one could be found by trying."""

_NEVER_A_KEY = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie"})
_OWN_PARAMETERS = frozenset(
    {"client_id", "client_secret", "code", "code_challenge", "code_challenge_method", "code_verifier"}
    | {"grant_type", "redirect_uri", "refresh_token", "response_type", "scope", "state"}
)


class _Bound(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)

    hosts: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="Hosts that it may be sent to: `host` or `host:port`."),
    ]
    personas: Annotated[tuple[str, ...] | None, Field(description="Personas that may use it; absent: all.")] = None

    def reaches(self, url: httpx.URL) -> bool:
        """Tell whether the secret may be sent to `url`'s host."""
        return _listed(url, self.hosts)

    def serves(self, persona: str) -> bool:
        """Tell whether `persona` may use it."""
        return self.personas is None or persona in self.personas


class Bearer(_Bound):
    """A token in the header `Authorization: Bearer` (RFC 6750, 2.1)."""

    kind: Literal["bearer"] = "bearer"
    value: Annotated[SecretStr, Field(description="The token.")]

    _checked = field_validator("value")(lambda value: _printable(value))


class ApiKey(_Bound):
    """A key in a header, in the query or in a cookie, as OpenAPI's `apiKey`."""

    kind: Literal["api_key"] = "api_key"
    value: Annotated[SecretStr, Field(description="The key.")]
    place: Annotated[
        Literal["header", "query", "cookie"], Field(alias="in", description="`header`, `query` or `cookie`.")
    ] = "header"
    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.~-]{1,64}$", description="Name of the header, parameter or cookie.")
    ] = "X-API-Key"

    _checked = field_validator("value")(lambda value: _printable(value))

    @model_validator(mode="after")
    def _fitting(self) -> "ApiKey":
        if self.place == "header" and self.name.lower() in _NEVER_A_KEY:
            raise ValueError("this header is not for keys; `in: cookie` writes a cookie")
        if self.place == "cookie" and set(self.value.get_secret_value()) & set('",;\\'):
            raise ValueError("the value of a cookie has no quote, comma, semicolon or backslash")
        return self


class Basic(_Bound):
    """User name and password in the header `Authorization: Basic` (RFC 7617)."""

    kind: Literal["basic"] = "basic"
    username: Annotated[
        str, Field(max_length=200, description="The user name; some services take their key here.")
    ]
    password: Annotated[SecretStr, Field(description="The password; empty where the user name is the key.")]

    @model_validator(mode="after")
    def _hideable(self) -> "Basic":
        password = self.password.get_secret_value()
        if ":" in self.username:
            raise ValueError("a user name has no colon (RFC 7617, 2); a password may have some")
        if any(character < " " or character == "\x7f" for character in self.username + password):
            raise ValueError("neither part has control characters")
        if len(password or self.username) < LEAST:
            raise ValueError(f"a password, or a user name without one, has at least {LEAST} characters")
        return self


class _OAuth(_Bound):
    client_id: Annotated[str, Field(min_length=1, max_length=500, description="Id of the app at the service.")]
    client_secret: Annotated[
        SecretStr | None, Field(description="The app's secret; absent only with `client_auth: none`.")
    ] = None
    client_auth: Annotated[
        Literal["basic", "basic_plain", "body", "none"],
        Field(
            description="How the app shows who it is: `basic` (a header, its parts form-encoded), `basic_plain` "
            "(as they are), `body`, or `none` (a public client)."
        ),
    ] = "basic"
    token_url: Annotated[str, Field(description="The token endpoint.")]
    oauth_hosts: Annotated[
        tuple[str, ...], Field(description="Hosts of the OAuth addresses, where they are not among `hosts`.")
    ] = ()
    scopes: Annotated[tuple[str, ...], Field(description="What is asked for.")] = ()
    parameters: Annotated[
        dict[str, str], Field(description="Further parameters that the service wants, such as `audience`.")
    ] = {}

    @field_validator("client_secret")
    @classmethod
    def _no_control(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else _printable(value)

    @field_validator("scopes")
    @classmethod
    def _single_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not scope or set(scope) & set(' "\\') for scope in value):
            raise ValueError("a scope is one word (RFC 6749, 3.3); write several as a list")
        return value

    @model_validator(mode="after")
    def _whole(self) -> "_OAuth":
        if (self.client_secret is None) != (self.client_auth == "none"):
            raise ValueError("`client_secret` goes with every `client_auth` but `none`, and `none` without it")
        if self.client_auth == "basic_plain" and ":" in self.client_id:
            raise ValueError("a `client_id` with a colon cannot be sent as `basic_plain` (RFC 7617, 2)")
        if self.parameters.keys() & _OWN_PARAMETERS:
            raise ValueError("`parameters` may not replace those of OAuth itself")
        for name in ("token_url", "authorization_url", "revocation_url"):
            url = getattr(self, name, None)
            if url is not None and (problem := self._problem(url)):
                raise ValueError(f"`{name}` {problem}")
        return self

    def is_oauth_host(self, url: httpx.URL) -> bool:
        """Tell whether `url` is at a host that may take part in signing in."""
        return _listed(url, (*self.hosts, *self.oauth_hosts))

    def _problem(self, url: str) -> str | None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            return "is no URL"
        if parsed.scheme not in WEB_PORTS or not parsed.host or parsed.userinfo or parsed.fragment:
            return "is no plain http(s) URL"
        return None if self.is_oauth_host(parsed) else "is at a host that neither `hosts` nor `oauth_hosts` lists"


class ClientCredentials(_OAuth):
    """OAuth 2 in the server's own name (RFC 6749, 4.4)."""

    kind: Literal["oauth2_client_credentials"] = "oauth2_client_credentials"

    @model_validator(mode="after")
    def _confidential(self) -> "ClientCredentials":
        if self.client_auth == "none":
            raise ValueError("client credentials need a `client_secret`")
        return self


class AuthorizationCode(_OAuth):
    """OAuth 2 in the name of each caller, with PKCE (RFC 6749, 4.1; RFC 7636)."""

    kind: Literal["oauth2_authorization_code"] = "oauth2_authorization_code"
    authorization_url: Annotated[str, Field(description="Where a person signs in.")]
    revocation_url: Annotated[str | None, Field(description="Where tokens are given back (RFC 7009).")] = None
    issuer: Annotated[
        str | None,
        Field(description="What the service sends as `iss` (RFC 9207); where this is set, it must be sent."),
    ] = None


class Signing(_Bound):
    """A key that signs hooks, both ways, and is never sent. Its `hosts` are those that may be called back."""

    kind: Literal["signing"] = "signing"
    value: Annotated[SecretStr, Field(description="The key.")]

    _checked = field_validator("value")(lambda value: _printable(value, LEAST_OF_A_KEY))


OAuthSecret = ClientCredentials | AuthorizationCode
SentSecret = Bearer | ApiKey | Basic | OAuthSecret
_KINDS = ("bearer", "api_key", "basic", "oauth2_client_credentials", "oauth2_authorization_code", "signing")


def _kind(fields: object) -> str:
    if isinstance(fields, _Bound):
        return str(getattr(fields, "kind", None))
    return str(fields.get("kind", "bearer")) if isinstance(fields, dict) else "bearer"


def _known(fields: object) -> object:
    if not isinstance(fields, _Bound) and (not isinstance(fields, dict) or _kind(fields) not in _KINDS):
        raise ValueError(f"write its fields, with a `kind` of {', '.join(_KINDS)}")
    return fields


Secret = Annotated[
    Annotated[Bearer, Tag("bearer")]
    | Annotated[ApiKey, Tag("api_key")]
    | Annotated[Basic, Tag("basic")]
    | Annotated[ClientCredentials, Tag("oauth2_client_credentials")]
    | Annotated[AuthorizationCode, Tag("oauth2_authorization_code")]
    | Annotated[Signing, Tag("signing")],
    Discriminator(_kind),
    BeforeValidator(_known),
]
"""One secret of the secrets file; without a `kind` it is a bearer token."""

_SECRET: TypeAdapter[Secret] = TypeAdapter(Secret)


def secret_of(fields: object) -> Secret:
    """Return the secret that `fields` describe.

    Raises:
        pydantic.ValidationError: they do not fit; the messages show no value.
    """
    return _SECRET.validate_python(fields)


def _listed(url: httpx.URL, hosts: tuple[str, ...]) -> bool:
    host, port = canonical_host(url.host), port_of(url)
    allowed = {canonical_host(entry) for entry in hosts}
    return host in allowed or f"{host}:{port}" in allowed


def _printable(value: SecretStr, least: int = LEAST) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < least or not all(" " < character <= "~" for character in text):
        # A header with another character is refused later with a message that shows the value.
        raise ValueError(f"a secret has at least {least} printable ASCII characters without spaces")
    return value
