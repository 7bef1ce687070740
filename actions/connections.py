"""Accounts of callers at other services: connecting, keeping their tokens fresh, disconnecting.

The end user is the principal that calls. What a browser brings back is taken once, if it fits what this very
browser was sent away with. Owns the order of things; must never know HTTP routes or a turn.
"""

import hashlib
import hmac
import secrets as random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio
import httpx

from actions.connects import Connect, Connects
from actions.errors import ConnectionNeeded, SecretRefused, SignInFailed
from actions.json_value import JsonObject
from actions.oauth import Grant, OAuthClient, authorization_address, error_code
from actions.sealing import Seal, Unreadable
from actions.secret import AuthorizationCode
from actions.single_flight import SingleFlight
from actions.tokens import Connection, ConnectionState, Held, Tokens
from actions.vault import Secrets
from core.errors import InvalidRequest, NotFound
from core.ids import PersonaId, PrincipalId

_PURPOSE = "sign-in"
_ONCE = ("state", "code", "iss", "error")


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser on its way to a service.

    Attributes:
        address: where it signs in.
        host: of the service whose account is meant.
        cookie_name: under which the browser keeps `cookie`, sealed, until it comes back.
    """

    connect: Connect
    address: str = field(repr=False)
    host: str
    scopes: tuple[str, ...]
    cookie_name: str
    cookie: str = field(repr=False)


def _nobody(_principal: PrincipalId) -> bool:
    return False


class Connections:
    """Connections of all principals. What one has connected who is no more is used, renewed and made no more.

    Args:
        secrets: the server's secrets.
        tokens: the store of what is connected.
        connects: the store of what waits to be.
        seal: seals what a browser keeps for us.
        oauth: talks to the services.
        is_gone: whether a principal is no more, such as one whose key was revoked. Must not block.
    """

    def __init__(
        self,
        secrets: Secrets,
        tokens: Tokens,
        connects: Connects,
        seal: Seal,
        oauth: OAuthClient,
        is_gone: Callable[[PrincipalId], bool] = _nobody,
    ) -> None:
        self._secrets = secrets
        self._tokens = tokens
        self._connects = connects
        self._seal = seal
        self._oauth = oauth
        self._is_gone = is_gone
        self._flights: SingleFlight[Grant] = SingleFlight()

    async def request(self, principal: PrincipalId, persona: PersonaId, name: str) -> Connect:
        """Ask a principal to connect an account for the secret `name`.

        Raises:
            ConnectionNeeded: the principal is no more.
            SecretRefused: there is no such secret for this persona, or it needs no account.
        """
        self._check(principal)
        self._app(name, persona)
        return await anyio.to_thread.run_sync(self._connects.request, principal, persona, name)

    async def missing(self, principal: PrincipalId, persona: PersonaId, name: str) -> Connect | None:
        """Return what the principal must connect before `name` can be used; None where nothing is missing.

        Raises:
            ConnectionNeeded: the principal is no more.
            SecretRefused: see `request`.
        """
        self._check(principal)
        held = await self._held(principal, name, self._app(name, persona))
        return None if held is not None else await self.request(principal, persona, name)

    async def begin(self, connect_id: str, redirect_uri: str) -> SignIn:
        """Return where the browser that has `connect_id` goes, and what it keeps meanwhile.

        Raises:
            NotFound: nothing waits under this id.
            ConnectionNeeded: the principal is no more.
            SecretRefused: the secret is no longer there for the persona.
        """
        connect = await anyio.to_thread.run_sync(self._connects.find, connect_id)
        self._check(connect.principal)
        app = self._app(connect.secret, connect.persona)
        state, verifier = random.token_urlsafe(32), random.token_urlsafe(48)
        kept: JsonObject = {
            "connect": connect.id,
            "state": state,
            "verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        cookie = await anyio.to_thread.run_sync(self._seal.close, _PURPOSE, kept)
        address = authorization_address(app, redirect_uri=redirect_uri, state=state, verifier=verifier)
        return SignIn(connect, address, app.hosts[0], app.scopes, cookie_name(state), cookie)

    async def finish(self, answer: Sequence[tuple[str, str]], cookies: Mapping[str, str]) -> Connection:
        """Take what a browser brings back from a service (RFC 6749, 4.1.2) and keep the tokens.

        Args:
            answer: the parameters of its query.
            cookies: what the browser kept.

        Raises:
            InvalidRequest: the answer is none, or does not fit.
            NotFound: it belongs to nothing that waits, or to another browser.
            ConnectionNeeded: the principal is no more; what the service gave goes back.
            SignInFailed: the service refused.
        """
        given = _single(answer)
        kept = await self._kept(given.get("state", ""), cookies)
        connect = await anyio.to_thread.run_sync(self._connects.claim, str(kept["connect"]))
        self._check(connect.principal)
        app = self._app(connect.secret, connect.persona)
        _check_issuer(app, given.get("iss"))
        if "error" in given:
            raise SignInFailed(
                f"The service at {app.hosts[0]!r} did not allow it: {error_code(given['error'])}. Nothing was "
                "connected."
            )
        if not given.get("code"):
            raise InvalidRequest("The service sent no code. Ask the assistant for a new link.", param="code")
        grant = await self._oauth.exchange(
            app, given["code"], verifier=str(kept["verifier"]), redirect_uri=str(kept["redirect_uri"])
        )
        self._secrets.learn(grant.access_token, grant.refresh_token)
        if self._is_gone(connect.principal):  # meanwhile
            await self._oauth.revoke(app, grant)
        self._check(connect.principal)
        keep = partial(self._tokens.keep, connect.principal, connect.secret, _app_id(app), grant)
        return await anyio.to_thread.run_sync(keep)

    async def grant(
        self, principal: PrincipalId, persona: PersonaId, name: str, *, stale: str | None = None
    ) -> Grant:
        """Return tokens that can be used now, renewed where they are about to end.

        Args:
            principal: whose account.
            persona: that calls.
            name: of the secret.
            stale: an access token that the service has refused; while it is the one kept, it is renewed.

        Raises:
            ConnectionNeeded: nothing is connected, or the connection has ended, or the principal is no more.
            SignInFailed: the service did not renew them this time.
        """
        self._check(principal)
        app = self._app(name, persona)
        held = await self._held(principal, name, app)
        if held is None:
            raise _needed(app)
        if held.grant.access_token != stale and held.grant.is_fresh(self._tokens.now()):
            return held.grant
        return await self._flights.run((principal, name), partial(self._renewed, principal, name, app, held))

    async def disconnect(self, principal: PrincipalId, name: str) -> bool:
        """Forget a connection and give its tokens back; tell whether the service took them.

        Raises:
            NotFound: there is none.
        """
        app = self._secrets.by_name.get(name)
        known = app if isinstance(app, AuthorizationCode) else None
        held = await self._held(principal, name, known) if known is not None else None
        if not await anyio.to_thread.run_sync(self._tokens.drop, principal, name):
            raise NotFound(f"No account is connected for {name!r}.", code="connection_not_found")
        return held is not None and known is not None and await self._oauth.revoke(known, held.grant)

    async def end(self, principal: PrincipalId) -> Sequence[str]:
        """Forget all that a principal has connected and give the tokens back, as `disconnect` does.

        Returns:
            The names of the secrets whose services did not take their tokens.
        """
        left = []
        for one in await self.list(principal):
            try:
                taken = await self.disconnect(principal, one.secret)
            except NotFound:  # somebody was faster
                continue
            if not taken and one.state is ConnectionState.CONNECTED:
                left.append(one.secret)
        return left

    async def list(self, principal: PrincipalId | None) -> Sequence[Connection]:
        """Return the connections of a principal, or all."""
        return await anyio.to_thread.run_sync(self._tokens.list, principal)

    def host(self, name: str) -> str:
        """Return the host whose account the secret `name` is for."""
        secret = self._secrets.by_name.get(name)
        return secret.hosts[0] if secret is not None else name

    async def aclose(self) -> None:
        """Close the client."""
        await self._oauth.aclose()

    async def _renewed(self, principal: PrincipalId, name: str, app: AuthorizationCode, seen: Held) -> Grant:
        held = await self._held(principal, name, app)
        if held is None:
            raise _needed(app)
        if held.sealed != seen.sealed:  # somebody was faster
            return held.grant
        if held.grant.refresh_token is None:
            await self._break_off(
                principal, name, held, "It has ended, and the service gave nothing to renew it with."
            )
            raise _needed(app)
        try:
            grant = await self._oauth.refresh(app, held.grant)
        except SignInFailed as error:
            if not error.grant_ended:
                raise
            await self._break_off(principal, name, held, "The service no longer accepts it.")
            raise _needed(app) from error
        self._secrets.learn(grant.access_token, grant.refresh_token)
        renew = partial(self._tokens.renew, principal, name, _app_id(app), held, grant)
        if not await anyio.to_thread.run_sync(renew):  # disconnected meanwhile: what came now goes back, too
            await self._oauth.revoke(app, grant)
            raise _needed(app)
        return grant

    async def _held(self, principal: PrincipalId, name: str, app: AuthorizationCode) -> Held | None:
        held = await anyio.to_thread.run_sync(self._tokens.open, principal, name, _app_id(app))
        if held is not None:
            self._secrets.learn(held.grant.access_token, held.grant.refresh_token)
        return held

    async def _break_off(self, principal: PrincipalId, name: str, held: Held, reason: str) -> None:
        await anyio.to_thread.run_sync(self._tokens.break_off, principal, name, held, reason)

    async def _kept(self, state: str, cookies: Mapping[str, str]) -> JsonObject:
        try:
            kept = await anyio.to_thread.run_sync(self._seal.open, _PURPOSE, cookies.get(cookie_name(state), ""))
        except Unreadable:
            kept = {}
        if not state or not hmac.compare_digest(str(kept.get("state", "")).encode(), state.encode()):
            raise NotFound(
                "This answer belongs to no sign-in that this browser has begun. Open the assistant's link again, "
                "in the browser in which you sign in.",
                code="sign_in_not_found",
            )
        return kept

    def _check(self, principal: PrincipalId) -> None:
        if self._is_gone(principal):
            raise ConnectionNeeded(f"{str(principal)!r} was revoked: no account is connected or used for it.")

    def _app(self, name: str, persona: PersonaId) -> AuthorizationCode:
        secret = self._secrets.of_persona(name, persona)
        if not isinstance(secret, AuthorizationCode):
            raise SecretRefused(f"The secret {name!r} is the server's own: nobody connects an account for it.")
        return secret


def cookie_name(state: str) -> str:
    """Return the name of the cookie that goes with a state."""
    return f"repertory_sign_in_{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def _single(answer: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters, none of which may come twice (RFC 6749, 3.1)."""
    names = [name for name, _ in answer]
    for name in _ONCE:
        if names.count(name) > 1:
            raise InvalidRequest(f"The answer has {name!r} more than once.", param=name)
    return dict(answer)


def _check_issuer(app: AuthorizationCode, issuer: str | None) -> None:
    """Check who answers (RFC 9207, 2.4), so that no other service's code is taken for this one's."""
    if app.issuer is not None:
        fits = issuer is not None and hmac.compare_digest(issuer.encode(), app.issuer.encode())
    else:
        fits = issuer is None or _is_of(app, issuer)
    if not fits:
        raise InvalidRequest(
            "The answer comes from another service than the one that was asked. Nothing was connected.",
            code="issuer_differs",
            param="iss",
        )


def _is_of(app: AuthorizationCode, issuer: str) -> bool:
    try:
        return app.is_oauth_host(httpx.URL(issuer))
    except httpx.InvalidURL:
        return False


def _app_id(app: AuthorizationCode) -> str:
    return f"{app.client_id} {app.token_url}"


def _needed(app: AuthorizationCode) -> ConnectionNeeded:
    return ConnectionNeeded(
        f"No account at {app.hosts[0]!r} is connected for you, or the connection has ended. Ask again: a link to "
        "connect it comes with the answer."
    )
