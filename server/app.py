"""The web application: routes, layers and error shapes around a set of services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from adapters import Registry
from server.background import kept_running
from server.evaluation.asking import Asking
from server.hooks.answering import Answering
from server.middleware.body import BodyGuard
from server.middleware.callers import CallerGuard, page_origins
from server.middleware.edge import Edge
from server.routes import (
    actions,
    adapter_papers,
    adapters,
    approvals,
    chat,
    embeddings,
    evals,
    feedback,
    files,
    fine_tuning,
    health,
    hooks,
    keys,
    knowledge,
    mcp,
    metrics,
    models,
    oauth,
    openapi,
    personas,
    rollouts,
    shares,
    transcripts,
    usage,
    vector_store_files,
    vector_stores,
)
from server.routes.adapter_papers import IMPORT_PATH
from server.routes.files import UPLOAD_PATH
from server.services import Services
from server.usage.answers import LIMIT_HEADERS, on_limit_reached
from server.usage.limit import LimitReached
from server.wire import install_error_handlers

_ROUTERS = (
    chat,
    models,
    embeddings,
    files,
    fine_tuning,
    vector_stores,
    vector_store_files,
    shares,
    health,
    metrics,
    personas,
    actions,
    approvals,
    oauth,
    hooks,
    evals,
    mcp,
    knowledge,
    transcripts,
    feedback,
    keys,
    usage,
    openapi,
)
_OF_ADAPTERS = (adapters, adapter_papers, rollouts)


_FORM_BYTES = 100_000
"""Of an upload beside its file: boundaries, headers, fields."""


def create_app(services: Services, registry: Registry | None = None) -> FastAPI:
    """Return the application.

    Its lifespan reads the knowledge and watches the persona files; the engine, the embedder and the
    database are started and stopped by whoever made `services`.

    Args:
        services: the parts to serve with.
        registry: of adapters; without one there are no routes for them.
    """
    app = FastAPI(
        title="Repertory",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.registry = registry
    for module in (*_ROUTERS, *(_OF_ADAPTERS if registry else ())):
        app.router.routes.extend(module.router.routes)  # `include_router` would make each of them a second time
    install_error_handlers(app)
    app.add_exception_handler(LimitReached, on_limit_reached)
    _add_layers(app, services)
    return app


def _add_layers(app: FastAPI, services: Services) -> None:
    """Add the layers; the last one added is the outermost."""
    settings = services.settings
    uploads = dict.fromkeys((UPLOAD_PATH, IMPORT_PATH), settings.max_file_bytes + _FORM_BYTES)
    app.add_middleware(BodyGuard, max_bytes=settings.max_body_bytes, uploads=uploads)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(page_origins(settings.allowed_origins)),
            allow_credentials=True,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after", *LIMIT_HEADERS],
        )
    app.add_middleware(
        CallerGuard,
        host=settings.host,
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
        public_url=settings.public_url,
    )
    app.add_middleware(Edge, counter=services.metrics.http)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    async with anyio.create_task_group() as background:
        background.start_soon(kept_running, "Writing transcripts", services.transcripts.run)
        background.start_soon(kept_running, "Deleting old transcripts", services.transcripts.sweep)
        background.start_soon(kept_running, "Watching the keys", services.keys.live.watch)
        background.start_soon(kept_running, "Writing usage", services.meter.ledger.run)
        background.start_soon(kept_running, "Reading the knowledge", services.sync.keep_up)
        watch = partial(services.personas.watch, services.sync.run)
        background.start_soon(kept_running, "Watching the persona files", watch)
        background.start_soon(kept_running, "Taking in uploads", services.uploads.run)
        background.start_soon(kept_running, "Asking MCP servers for their tools", services.toolbox.keep_up)
        answer = partial(services.hooks.run, Answering(services))
        background.start_soon(kept_running, "Answering hooks", answer)
        if services.rollouts is not None:
            busy, promotes = services.metrics.http.chats_running, services.personas.promotes
            conduct = partial(services.rollouts.run, services.engine, busy, promotes)
            background.start_soon(kept_running, "Conducting rollouts", conduct)
        background.start_soon(kept_running, "Fine-tuning", services.tuning.run)
        evaluate = partial(services.evaluations.worker.run, Asking(services, services.evaluations.likelihood))
        background.start_soon(kept_running, "Evaluating", evaluate)
        yield
        services.tuning.close()
        services.evaluations.gate.close()
        services.uploads.close()
        services.knowledge.close()  # a thread cannot be cancelled
        background.cancel_scope.cancel()
    await services.personas.aclose()
    await services.connections.aclose()
    await services.hooks.aclose()
    await services.evaluations.worker.aclose()
    if services.traces is not None:
        await anyio.to_thread.run_sync(services.traces.close)
