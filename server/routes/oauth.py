"""`/api/oauth`: accounts of callers at other services: connecting them in a browser, listing, disconnecting."""

from typing import Annotated
from urllib.parse import urlsplit

import anyio
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from actions import Connection
from actions.connections import cookie_name
from core.errors import RepertoryError
from core.ids import PersonaId, PrincipalId
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.addresses import base_url_of
from server.oauth_pages import connected_page, failed_page, start_page
from server.requests import read_body
from server.services import TheServices
from server.turn.calls import START_PATH
from server.wire import JsonResponse

router = APIRouter()
_CALLBACK_PATH = "/api/oauth/callback"
_COOKIE_SECONDS = 900
_Whose = Annotated[str | None, Query(alias="principal", description="Whose; an administrator may say it.")]


class ConnectBody(BaseModel):
    """Which account: that of a secret, for a persona."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    persona: str = Field(min_length=1, max_length=64)
    secret: str = Field(min_length=1, max_length=200)


@router.post("/api/oauth/connections")
async def connect_account(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Ask for a link with which the caller connects an account."""
    principal.require(Scope.CHAT)
    asked = await read_body(request, ConnectBody)
    persona = services.personas.get(asked.persona, principal)
    connect = await services.connections.request(principal.id, PersonaId(persona.id), asked.secret)
    link = f"{base_url_of(request, services.settings)}{START_PATH}?connect={connect.id}"
    return JsonResponse(
        {
            "id": connect.id,
            "principal": connect.principal,
            "persona": connect.persona,
            "secret": connect.secret,
            "host": services.connections.host(connect.secret),
            "url": link,
            "created_at": connect.created_at,
            "expires_at": connect.expires_at,
        },
        headers={"cache-control": "no-store"},
    )


@router.get("/api/oauth/connections")
async def list_connections(services: TheServices, principal: KeyHolder, whose: _Whose = None) -> Response:
    """List connected accounts, without their tokens: the caller's own, or an administrator's all."""
    principal.require(Scope.CHAT)
    wanted = None if whose is None and principal.may(Scope.ADMIN) else _person(principal, whose)
    found = await services.connections.list(wanted)
    return JsonResponse(
        {"object": "list", "data": [_shown(one, services.connections.host(one.secret)) for one in found]}
    )


@router.delete("/api/oauth/connections/{secret}")
async def disconnect_account(
    secret: str, services: TheServices, principal: KeyHolder, whose: _Whose = None
) -> Response:
    """Forget a connected account, and give its tokens back to the service."""
    principal.require(Scope.CHAT)
    revoked = await services.connections.disconnect(_person(principal, whose), secret)
    return JsonResponse({"secret": secret, "deleted": True, "revoked": revoked})


@router.get(START_PATH)
async def start_sign_in(request: Request, services: TheServices, connect: str = "") -> Response:
    """Show a person whose link this is what is asked for, and where to sign in."""
    redirect_uri = base_url_of(request, services.settings) + _CALLBACK_PATH
    try:
        sign_in = await services.connections.begin(connect, redirect_uri)
    except RepertoryError as error:
        return failed_page(error)
    page = start_page(sign_in)
    parts = urlsplit(redirect_uri)
    page.set_cookie(
        sign_in.cookie_name,
        sign_in.cookie,
        max_age=_COOKIE_SECONDS,
        path=parts.path,
        secure=parts.scheme == "https",
        httponly=True,
        samesite="lax",  # the service sends the browser back by a link of its own
    )
    return page


@router.get(_CALLBACK_PATH)
async def finish_sign_in(request: Request, services: TheServices) -> Response:
    """Take what a browser brings back from the service."""
    answer = request.query_params.multi_items()
    try:
        with anyio.CancelScope(
            shield=True
        ):  # a code is good once: what it brings is kept even if the browser leaves
            connection = await services.connections.finish(answer, request.cookies)
    except RepertoryError as error:
        return failed_page(error)
    page = connected_page(connection, services.connections.host(connection.secret))
    path = urlsplit(base_url_of(request, services.settings) + _CALLBACK_PATH).path
    page.delete_cookie(cookie_name(dict(answer)["state"]), path=path)
    return page


def _person(principal: Principal, whose: str | None) -> PrincipalId:
    if whose is None or whose == principal.id:
        return principal.id
    principal.require(Scope.ADMIN)
    return PrincipalId(whose)


def _shown(connection: Connection, host: str) -> dict[str, object]:
    return {
        "principal": connection.principal,
        "secret": connection.secret,
        "host": host,
        "state": connection.state.value,
        "reason": connection.reason,
        "scopes": list(connection.scopes),
        "connected_at": connection.connected_at,
        "expires_at": connection.expires_at,
    }
