"""`/api/mcp/servers`: MCP servers, what was accepted of their tools, and what they offer now."""

from fastapi import APIRouter, Response

from actions.mcp import ServerState
from core.principal import Scope
from server.access import KeyHolder
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()


@router.get("/api/mcp/servers")
async def list_servers(services: TheServices, principal: KeyHolder) -> Response:
    """Ask every server what it offers now, and compare it with what was accepted."""
    principal.require(Scope.ADMIN)
    return JsonResponse({"object": "list", "data": [_shown(one) for one in await services.toolbox.states()]})


@router.get("/api/mcp/servers/{name}")
async def show_server(name: str, services: TheServices, principal: KeyHolder) -> Response:
    """Ask one server."""
    principal.require(Scope.ADMIN)
    return JsonResponse(_shown(await services.toolbox.state(name)))


@router.post("/api/mcp/servers/{name}/accept")
async def accept(name: str, services: TheServices, principal: KeyHolder) -> Response:
    """Accept the tools that the server offers now; personas offer them within two seconds."""
    principal.require(Scope.ADMIN)
    return JsonResponse(_shown(await services.toolbox.accept(name, by=principal.id)))


def _shown(state: ServerState) -> dict[str, object]:
    now = {tool.name: tool for tool in state.offered or ()}
    pinned = {tool.name: tool for tool in state.pin.tools} if state.pin else {}
    return {
        "name": state.name,
        "url": state.url,
        "reachable": state.offered is not None,
        "reason": state.reason,
        "pinned_at": state.pin.pinned_at if state.pin else None,
        "pinned_by": state.pin.by if state.pin else None,
        "tools": [
            {
                "name": tool,
                "state": found.value,
                "accepted": pinned[tool].plain() if tool in pinned else None,
                "offered": now[tool].plain() if tool in now else None,
            }
            for tool, found in state.tools().items()
        ],
    }
