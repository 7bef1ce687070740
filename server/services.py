"""The parts of a running gateway, built once and handed to routes by one typed dependency."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from actions import Approvals, Connections, Hosts, Journal
from actions.mcp import Toolbox
from core.clock import Clock
from retrieval import Knowledge, TextEmbedder
from server.engine_port import Engine, Releases
from server.evaluation.evaluating import Evaluating
from server.feedback.store import FeedbackStore
from server.fine_tuning.tuning import FineTuning
from server.hooks.hooks import Hooks
from server.keys.gate import Gate
from server.keys.store import Keys
from server.knowledge_sync import KnowledgeSync
from server.observe.metrics import Metrics
from server.observe.traces import Traces
from server.personas.library import PersonaLibrary
from server.rollouts.conduct import Conduct
from server.settings import Settings
from server.transcripts.recorder import Recorder
from server.turn.record import TurnObserver
from server.turn.reported import Reported
from server.uploads import Uploads
from server.usage.meter import Meter


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that routes and the chat turn work with."""

    settings: Settings
    clock: Clock
    keys: Keys
    gate: Gate
    meter: Meter
    personas: PersonaLibrary
    engine: Engine
    releases: Releases
    embedder: TextEmbedder
    knowledge: Knowledge
    sync: KnowledgeSync
    approvals: Approvals
    connections: Connections
    journal: Journal
    hosts: Hosts
    toolbox: Toolbox
    hooks: Hooks
    evaluations: Evaluating
    uploads: Uploads
    tuning: FineTuning
    reported: Reported
    metrics: Metrics
    transcripts: Recorder
    feedback: FeedbackStore
    observers: tuple[TurnObserver, ...] = ()
    rollouts: Conduct | None = None
    traces: Traces | None = None


async def services_of(request: Request) -> Services:  # no plain function: those go through a thread
    """Return the services of the app that serves `request`."""
    services = request.app.state.services
    assert isinstance(services, Services)  # noqa: S101  set by create_app
    return services


TheServices = Annotated[Services, Depends(services_of)]
