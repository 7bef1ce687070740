"""Routes that the plug-in adds to vLLM's server: the handshake, and real adapter administration.

They are reached through the private socket of the engine, or on an external engine behind its own key
(vLLM asks for `--api-key` on what stands under `/v1`).
"""

from argparse import Namespace
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import State
from vllm import __version__ as vllm_version
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.platforms import current_platform

from adapters.plugin.environment import PLUGIN_VERSION, adapters_dir

router = APIRouter(prefix="/v1/repertory")


class AdapterRoutes:
    """Entry point `vllm.endpoint_plugins: repertory_routes`."""

    name = "repertory_routes"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes to vLLM's application."""
        app.include_router(router)

    async def init_state(self, engine_client: Any, state: State, args: Namespace) -> None:
        """Keep what the handshake reports."""
        state.repertory_engine = engine_client
        state.repertory_args = args


@router.get("/handshake")
async def handshake(request: Request) -> JSONResponse:
    """Prove which parts of the plug-in are active, in this process and in each worker."""
    state = request.app.state
    args = state.repertory_args
    models = state.openai_serving_models
    return JSONResponse(
        {
            "plugin": PLUGIN_VERSION,
            "vllm": vllm_version,
            "device": current_platform.device_type,
            "resolver": any(type(r).__name__ == "RegistryResolver" for r in models.lora_resolvers),
            "adapters_dir": str(adapters_dir() or ""),
            "lora": bool(args.enable_lora),
            "max_loras": args.max_loras,
            "max_cpu_loras": args.max_cpu_loras,
            "max_lora_rank": args.max_lora_rank,
            "max_model_len": state.repertory_engine.model_config.max_model_len,
            "workers": await _reports(request),
        }
    )


@router.get("/adapters")
async def list_adapters(request: Request) -> JSONResponse:
    """List the adapters that are resident, by engine name."""
    names = {r.lora_int_id: r for r in request.app.state.openai_serving_models.lora_requests.values()}
    worker = (await _reports(request))[0]
    return JSONResponse(
        {
            "adapters": [
                {
                    "name": names[i].lora_name,
                    "id": i,
                    "slot": worker["slots"].index(i) if i in worker["slots"] else None,
                    "pinned": i in worker["pinned"],
                }
                for i in worker["resident"]
                if i in names
            ]
        }
    )


@router.post("/adapters/{name}")
async def load(request: Request, name: str) -> Response:
    """Load a registered version, so that the first user does not wait for it."""
    found = await request.app.state.openai_serving_models.resolve_lora(name)
    if isinstance(found, ErrorResponse):
        return JSONResponse(found.model_dump(), status_code=found.error.code)
    # A version that was evicted is registered by name but no longer resident: load it again.
    await request.app.state.repertory_engine.add_lora(found)
    return JSONResponse({"name": name, "id": found.lora_int_id})


@router.post("/adapters/{name}/pin")
async def pin(request: Request, name: str) -> Response:
    """Keep a loaded version in memory: it may leave its slot, but is never read from disk again."""
    return await _set_pinned(request, name, True)


@router.delete("/adapters/{name}/pin")
async def unpin(request: Request, name: str) -> Response:
    """Let a version be evicted again."""
    return await _set_pinned(request, name, False)


@router.delete("/adapters/{name}")
async def remove(request: Request, name: str) -> Response:
    """Remove a version from memory; vLLM's own unload only forgets its name."""
    models = request.app.state.openai_serving_models
    async with models.lora_resolver_lock[name]:
        found = models.lora_requests.pop(name, None)
        if found is None:
            return _unknown(name)
        removed = await request.app.state.repertory_engine.remove_lora(found.lora_int_id)
    return JSONResponse({"name": name, "removed": bool(removed)})


async def _set_pinned(request: Request, name: str, pinned: bool) -> Response:
    found = request.app.state.openai_serving_models.lora_requests.get(name)
    if found is None:
        return _unknown(name)
    engine = request.app.state.repertory_engine
    done = await engine.collective_rpc("repertory_set_pinned", args=(found.lora_int_id, pinned))
    if not all(done):
        message = (
            f"Adapter {name!r} cannot be pinned: memory is full. Raise REPERTORY_MAX_CPU_LORAS, or unpin one."
        )
        return _error(409, message)
    return JSONResponse({"name": name, "pinned": pinned})


async def _reports(request: Request) -> list[dict[str, Any]]:
    reports = await request.app.state.repertory_engine.collective_rpc("repertory_report")
    return list(reports)


def _unknown(name: str) -> Response:
    return _error(
        404, f"No adapter {name!r} is loaded. POST /v1/repertory/adapters/{name} loads a registered one."
    )


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "code": status}}, status_code=status)
