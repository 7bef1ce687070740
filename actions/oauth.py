"""OAuth 2 as a client speaks it: addresses to sign in at, token requests and what is made of their answers.

Owns the protocol (RFC 6749, 7636, 7009); must never know who asks, what is stored, or a persona. Every request
goes through the guarded transport, follows no redirect, and its answers are read within bounds.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

import anyio
import httpx

from actions.addresses import NetworkGrants
from actions.credentials import basic
from actions.errors import AddressRefused, SignInFailed
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.json_value import JsonObject, JsonValue
from actions.secret import AuthorizationCode, ClientCredentials, OAuthSecret
from core.clock import Clock

TIME_LIMIT_SECONDS = 20.0
_MOST_BYTES = 65_536
_LONGEST_TOKEN = 16_384
_LONGEST_LIFE = 10 * 365 * 86_400.0
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token endpoint gave (RFC 6749, 5.1).

    Attributes:
        obtained_at: seconds since the epoch, as is `expires_at`, which is None where the service did not say.
        scopes: what was granted; where the service said nothing, what was asked for.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    obtained_at: float
    expires_at: float | None
    scopes: tuple[str, ...]

    def is_fresh(self, now: float) -> bool:
        """Tell whether the access token can be used: not in its last minute, or the last tenth of a short life."""
        if self.expires_at is None:
            return True
        return now < self.expires_at - min(60.0, (self.expires_at - self.obtained_at) / 10)


class OAuthClient:
    """Talks to the token endpoints of services.

    Args:
        grants: private hosts that the settings allow.
        clock: the time.
        resolver: the guard's look-up, replaceable in tests.
        time_limit: seconds for one request.
    """

    def __init__(
        self,
        grants: NetworkGrants,
        clock: Clock,
        *,
        resolver: Resolver = system_resolver,
        time_limit: float = TIME_LIMIT_SECONDS,
    ) -> None:
        self._clock = clock
        self._time_limit = time_limit
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(grants, resolver=resolver),
            trust_env=False,
            follow_redirects=False,
            timeout=time_limit,
            headers={"User-Agent": "Repertory", "Accept-Encoding": "identity", "Connection": "close"},
        )

    async def client_grant(self, secret: ClientCredentials) -> Grant:
        """Ask for a token in the server's own name (RFC 6749, 4.4.2).

        Raises:
            SignInFailed: the service refused, or did not answer.
        """
        form = {"grant_type": "client_credentials", **secret.parameters}
        return await self._grant(secret, {**form, "scope": " ".join(secret.scopes)}, secret.scopes)

    async def exchange(self, secret: AuthorizationCode, code: str, *, verifier: str, redirect_uri: str) -> Grant:
        """Trade an authorization code for tokens (RFC 6749, 4.1.3; RFC 7636, 4.5).

        Raises:
            SignInFailed: the service refused, or did not answer.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return await self._grant(secret, {**form, "code_verifier": verifier}, secret.scopes)

    async def refresh(self, secret: AuthorizationCode, grant: Grant) -> Grant:
        """Trade a refresh token for new tokens (RFC 6749, 6); without a new refresh token the old one stays.

        Raises:
            SignInFailed: the service refused, or did not answer.
        """
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token or ""}
        return await self._grant(secret, form, grant.scopes, kept=grant.refresh_token)

    async def revoke(self, secret: AuthorizationCode, grant: Grant) -> bool:
        """Give tokens back (RFC 7009); tell whether the service took all of them."""
        if secret.revocation_url is None:
            return False
        tokens = {"refresh_token": grant.refresh_token, "access_token": grant.access_token}
        taken = []
        for hint, token in tokens.items():
            if token is not None:
                try:
                    form = {"token": token, "token_type_hint": hint}
                    status, _ = await self._post(secret, secret.revocation_url, form)
                except SignInFailed:
                    status = 0
                taken.append(200 <= status < 300)
        return all(taken)

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def _grant(
        self, secret: OAuthSecret, form: Mapping[str, str], scopes: tuple[str, ...], *, kept: str | None = None
    ) -> Grant:
        asked_at = self._clock()
        status, body = await self._post(secret, secret.token_url, form)
        answer = _object(body)
        if status != httpx.codes.OK or answer is None or "error" in answer:
            raise _refused(secret, status, answer)
        return Grant(
            access_token=_access_token(secret, answer),
            refresh_token=_token(answer.get("refresh_token")) or kept,
            obtained_at=asked_at,
            expires_at=_expiry(asked_at, answer.get("expires_in")),
            scopes=_scopes(answer.get("scope"), scopes),
        )

    async def _post(self, secret: OAuthSecret, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        fields = {name: value for name, value in form.items() if value}
        text = secret.client_secret.get_secret_value() if secret.client_secret is not None else ""
        if secret.client_auth == "basic":  # both parts form-encoded before: RFC 6749, 2.3.1
            headers["Authorization"] = "Basic " + basic(quote_plus(secret.client_id), quote_plus(text))
        elif secret.client_auth == "basic_plain":
            headers["Authorization"] = "Basic " + basic(secret.client_id, text)
        else:
            fields["client_id"] = secret.client_id
            if secret.client_auth == "body":
                fields["client_secret"] = text
        try:
            with anyio.fail_after(self._time_limit):
                content = urlencode(fields).encode()
                async with self._client.stream("POST", url, headers=headers, content=content) as response:
                    return response.status_code, await _read(response)
        except AddressRefused as error:
            raise SignInFailed(f"The sign-in service may not be reached. {error.message}") from error
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise SignInFailed(
                f"The sign-in service at {httpx.URL(url).host!r} does not answer. Nothing was sent to the service "
                "itself; try again later."
            ) from error


def authorization_address(secret: AuthorizationCode, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Return where a person is sent to sign in (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
    query = {
        **secret.parameters,
        "response_type": "code",
        "client_id": secret.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(secret.scopes),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in secret.authorization_url else "?"
    return secret.authorization_url + joint + urlencode({name: value for name, value in query.items() if value})


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a code verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def error_code(value: str) -> str:
    """Return an `error` of the service as it may be shown: its code, and nothing else of what it says."""
    return value if _ERROR_CODE.fullmatch(value) else "an unknown error"


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MOST_BYTES:
            return b""
    return bytes(body)


def _object(body: bytes) -> JsonObject | None:
    try:
        answer: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refused(secret: OAuthSecret, status: int, answer: JsonObject | None) -> SignInFailed:
    host = httpx.URL(secret.token_url).host
    error = answer.get("error") if answer is not None else None
    code = error_code(error) if isinstance(error, str) else None
    if code == "invalid_grant":
        return SignInFailed(f"The sign-in service at {host!r} no longer accepts the grant.", grant_ended=True)
    if code in ("invalid_client", "unauthorized_client"):
        return SignInFailed(
            f"The sign-in service at {host!r} refuses this server ({code}): an administrator must correct the "
            "client id, the client secret or `client_auth` in the secrets file."
        )
    if code is not None:
        return SignInFailed(f"The sign-in service at {host!r} refused: {code}.")
    return SignInFailed(
        f"The sign-in service at {host!r} answered with status {status} and nothing that can be used."
    )


def _access_token(secret: OAuthSecret, answer: JsonObject) -> str:
    host = httpx.URL(secret.token_url).host
    kind = answer.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise SignInFailed(f"The sign-in service at {host!r} gave a token that is no bearer token.")
    token = _token(answer.get("access_token"))
    if token is None:
        raise SignInFailed(f"The sign-in service at {host!r} gave no access token that can be used.")
    return token


def _token(value: JsonValue) -> str | None:
    """Return a token if a header can carry it (RFC 6749, A.12: visible ASCII)."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        return None
    return value if all("!" <= character <= "~" for character in value) else None


def _expiry(now: float, value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return now + min(seconds, _LONGEST_LIFE) if math.isfinite(seconds) and seconds > 0 else None


def _scopes(value: JsonValue, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return what was granted; some services separate scopes by commas."""
    if not isinstance(value, str):
        return asked
    return tuple(dict.fromkeys(one[:200] for one in re.split(r"[ ,]+", value[:10_000]) if one))
