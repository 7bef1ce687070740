"""A small real OAuth 2 service over HTTP on a port of loopback: it signs in, gives tokens, and serves who has one.

| path | behaviour | after |
|---|---|---|
| `GET /authorize` | 400 for an unknown client or another `redirect_uri`, and no redirect | RFC 6749, 4.1.2.1 |
| | 302 with `error=invalid_request` without S256 challenge or state | RFC 7636, 4.4.1 |
| | 302 with `code`, `state`, and `iss` where it has an issuer | RFC 6749, 4.1.2; RFC 9207, 2 |
| | 302 with `error=access_denied` while `denies` | RFC 6749, 4.1.2.1 |
| `POST /token` | 401 `invalid_client` for another client, or another way to show it | RFC 6749, 2.3.1, 5.2 |
| | the parts of a Basic header are form-decoded, unless `client_auth` is `basic_plain` | RFC 6749, 2.3.1 |
| … `authorization_code` | good for its `redirect_uri` and its verifier | RFC 6749, 4.1.3; RFC 7636, 4.6 |
| | used twice, its tokens are revoked | RFC 6749, 4.1.2 |
| … `refresh_token` | a new refresh token while `rotates` | RFC 6749, 6 |
| | an old one used again revokes the family | RFC 9700, 4.14.2 |
| … `client_credentials` | a token without refresh token | RFC 6749, 4.4.3 |
| … all | `token_type`, `expires_in`, `scope` where it differs from what was asked | RFC 6749, 5.1 |
| `POST /revoke` | 200, also for an unknown token | RFC 7009, 2.2 |
| | the access tokens of a refresh token go with it | RFC 7009, 2.1 |
| `/me` | 401 without a live bearer token, else what came, echoed | RFC 6750, 2.1, 3.1 |
| any | the next answer of `planned`, once, instead of the above | |
"""

import base64
import hashlib
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote_plus, urlencode

import anyio
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

CLIENT_ID = "app:of/ours"
CLIENT_SECRET = "shh:client/secret+canary="


@dataclass(slots=True)
class _Code:
    redirect_uri: str
    challenge: str
    scope: str
    used: bool = False
    family: str = ""


@dataclass(slots=True)
class OAuthService:
    """The running service, its levers, and what it received.

    Attributes:
        client_auth: how the client must show who it is.
        redirect_uris: those that are registered; empty registers the first that comes.
        planned: path → answers that come instead of the usual ones.
        forms: path → the forms that came.
        calls: Authorization headers that `/me` saw.
        delay: seconds that the token endpoint's answer is on its way.
    """

    url: str
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    client_auth: str = "basic"
    redirect_uris: list[str] = field(default_factory=list)
    lifetime: float | None = 3600
    rotates: bool = True
    gives_refresh: bool = True
    denies: bool = False
    issuer: str | None = None
    granted_scope: str | None = None
    delay: float = 0
    planned: dict[str, list[Response]] = field(default_factory=dict)
    forms: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    codes: dict[str, _Code] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    old_refresh: dict[str, str] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def end_access(self) -> None:
        """End every access token, as a service may do at any time."""
        self.access.clear()

    def end_grants(self) -> None:
        """End everything, as a person does in the settings of an account."""
        self.access.clear()
        self.refresh.clear()

    def fields(self, kind: str, **more: object) -> dict[str, object]:
        """Return what an operator writes into the secrets file for this service."""
        fields: dict[str, object] = {
            "kind": kind,
            "hosts": [self.host],
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "client_auth": self.client_auth,
            "token_url": f"{self.url}/token",
            "scopes": ["contacts.read", "contacts.write"],
        }
        if kind == "oauth2_authorization_code":
            addresses = {
                "authorization_url": f"{self.url}/authorize",
                "revocation_url": f"{self.url}/revoke",
            }
            fields |= addresses
        return fields | more

    def tokens(self, scope: str, *, family: str | None, asked: str | None = None) -> dict[str, object]:
        """Make tokens; without a family only an access token."""
        access = f"at-{secrets.token_urlsafe(24)}"
        self.access[access] = family or ""
        answer: dict[str, object] = {"access_token": access, "token_type": "Bearer"}
        self.issued.append(access)
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        if family is not None and self.gives_refresh:
            refresh = f"rt-{secrets.token_urlsafe(24)}"
            self.refresh[refresh] = family
            self.issued.append(refresh)
            answer["refresh_token"] = refresh
        if (self.granted_scope or scope) != asked:
            answer["scope"] = self.granted_scope or scope
        return answer

    def drop_family(self, family: str) -> None:
        self.access = {token: one for token, one in self.access.items() if one != family}
        self.refresh = {token: one for token, one in self.refresh.items() if one != family}


@contextmanager
def running_oauth() -> Iterator[OAuthService]:
    """Serve on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = OAuthService(f"http://127.0.0.1:{listener.getsockname()[1]}")
        config = uvicorn.Config(_app(service), log_level="critical", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.config.load()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield service
        finally:
            server.should_exit = True
            thread.join(10)


def _app(service: OAuthService) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/authorize")
    async def authorize(request: Request) -> Response:
        query = request.query_params
        uri = query.get("redirect_uri", "")
        service.redirect_uris = service.redirect_uris or [uri]
        if query.get("client_id") != service.client_id or uri not in service.redirect_uris:
            return Response("unknown client or redirect_uri", status_code=400)
        back = {"state": query["state"]} if "state" in query else {}
        if service.issuer is not None:
            back["iss"] = service.issuer
        whole = query.get("response_type") == "code" and query.get("code_challenge_method") == "S256"
        if service.denies:
            back["error"] = "access_denied"
        elif not whole or not query.get("code_challenge") or "state" not in query:
            back["error"] = "invalid_request"
        else:
            code = back["code"] = secrets.token_urlsafe(16)
            service.codes[code] = _Code(uri, query["code_challenge"], query.get("scope", ""))
        return RedirectResponse(f"{uri}?{urlencode(back)}", status_code=302)

    @app.post("/token")
    async def token(request: Request) -> Response:
        form = await _form(service, request)
        if planned := _planned(service, "/token"):
            return planned
        if not _is_client(service, request, form):
            headers = {"WWW-Authenticate": "Basic"} if "authorization" in request.headers else {}
            return JSONResponse({"error": "invalid_client"}, status_code=401, headers=headers)
        match form.get("grant_type"):
            case "authorization_code":
                answer = _by_code(service, form)
            case "refresh_token":
                answer = _by_refresh(service, form)
            case "client_credentials":
                answer = service.tokens(form.get("scope", ""), family=None, asked=form.get("scope"))
            case _:
                return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        await anyio.sleep(service.delay)
        if answer is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @app.post("/revoke")
    async def revoke(request: Request) -> Response:
        form = await _form(service, request)
        if planned := _planned(service, "/revoke"):
            return planned
        if not _is_client(service, request, form):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        token = form.get("token", "")
        service.access.pop(token, None)
        if token in service.refresh:
            service.drop_family(service.refresh[token])
        return Response(status_code=200)

    @app.api_route("/me", methods=["GET", "POST", "DELETE"])
    async def me(request: Request) -> Response:
        header = request.headers.get("authorization", "")
        service.calls.append(header)
        if header.removeprefix("Bearer ") not in service.access:
            return JSONResponse(
                {"error": "invalid_token", "you_sent": header},
                status_code=401,
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        return JSONResponse({"method": request.method, "headers": dict(request.headers)})

    return app


async def _form(service: OAuthService, request: Request) -> dict[str, str]:
    form = {name: str(value) for name, value in (await request.form()).items()}
    service.forms.setdefault(request.url.path, []).append(form)
    return form


def _planned(service: OAuthService, path: str) -> Response | None:
    planned = service.planned.get(path)
    return planned.pop(0) if planned else None


def _is_client(service: OAuthService, request: Request, form: dict[str, str]) -> bool:
    header = request.headers.get("authorization", "")
    match service.client_auth:
        case "basic" | "basic_plain":
            name, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            shown = name, secret
            if service.client_auth == "basic":
                shown = unquote_plus(name), unquote_plus(secret)
            return "client_secret" not in form and shown == (service.client_id, service.client_secret)
        case "body":
            shown = form.get("client_id", ""), form.get("client_secret", "")
            return not header and shown == (service.client_id, service.client_secret)
        case _:
            return not header and "client_secret" not in form and form.get("client_id") == service.client_id


def _by_code(service: OAuthService, form: dict[str, str]) -> dict[str, object] | None:
    code = service.codes.get(form.get("code", ""))
    if code is None:
        return None
    if code.used:
        service.drop_family(code.family)
        return None
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if form.get("redirect_uri") != code.redirect_uri or challenge != code.challenge:
        return None
    code.used, code.family = True, secrets.token_hex(8)
    return service.tokens(code.scope, family=code.family, asked=code.scope)


def _by_refresh(service: OAuthService, form: dict[str, str]) -> dict[str, object] | None:
    token = form.get("refresh_token", "")
    if token in service.old_refresh:
        service.drop_family(service.old_refresh[token])
        return None
    family = service.refresh.get(token)
    if family is None:
        return None
    if not service.rotates:
        answer = service.tokens("", family=None, asked="")
        service.access[str(answer["access_token"])] = family
        return answer
    service.old_refresh[token] = service.refresh.pop(token)
    return service.tokens("", family=family, asked="")
