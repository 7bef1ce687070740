"""Putting the services together from settings and the parts that live longer than a request."""

import os
import shlex
from collections.abc import Callable
from dataclasses import replace

from actions import (
    ActionSet,
    Approvals,
    Connections,
    Connects,
    Documents,
    HostLimits,
    Hosts,
    Journal,
    Keyring,
    NetworkGrants,
    OAuthClient,
    Pauses,
    Pins,
    Seal,
    Secrets,
    Tokens,
)
from actions.mcp import McpServers, Toolbox, ToolPins
from adapters.datasets import Datasets
from adapters.evaluation import Evaluations
from adapters.jobs import Jobs, Surroundings
from adapters.jobs.folder import JobFolders
from adapters.jobs.lease import Lease
from adapters.registry import Registry
from adapters.training.launch import TRAINER
from adapters.verdict import Evaluate
from core.blobs import Blobs
from core.clock import Clock
from core.database import Database
from core.ids import PersonaId
from retrieval import IndexSizes, Knowledge, Rerank, TextEmbedder
from retrieval.ingest import Ingest
from retrieval.parsing import Limits, Parser
from retrieval.store_files import StoreFiles
from retrieval.tokens import ModelTokens
from retrieval.vector_stores import VectorStores
from server.engine_port import Engine, Releases
from server.evaluation.beginning import Beginning
from server.evaluation.comparing import Comparing
from server.evaluation.evaluating import Evaluating, Likelihood
from server.evaluation.judges import Judges
from server.evaluation.pipeline import PipelineGate
from server.evaluation.worker import EvaluationWorker
from server.feedback.store import FeedbackStore
from server.files.store import Files
from server.fine_tuning.tuning import FineTuning
from server.hooks.courier import Courier
from server.hooks.hooks import Hooks
from server.hooks.store import HookJobs
from server.keys.gate import Gate
from server.keys.store import Keys
from server.knowledge_sync import KnowledgeSync
from server.observe.metrics import Metrics
from server.observe.traces import traces_of
from server.observe.turn_log import TurnLog
from server.personas.library import PersonaLibrary
from server.personas.loader import LoadActions, Persona
from server.personas.schema import PersonaSpec
from server.rollouts.conduct import Conduct
from server.served_base import base_of, limits_of
from server.services import Services
from server.settings import Settings
from server.transcripts.recorder import Recorder
from server.transcripts.transcript import Keep
from server.transcripts.upkeep import DAY, Retention
from server.turn.prompt import system_text
from server.turn.reported import Reported
from server.uploads import Uploads
from server.usage.ledger import Ledger
from server.usage.meter import Meter


def assemble(
    settings: Settings,
    *,
    database: Database,
    embedder: TextEmbedder,
    engine: Engine,
    releases: Releases,
    clock: Clock,
    rerank: Rerank | None = None,
    index_sizes: IndexSizes | None = None,
    rollouts: Conduct | None = None,
    likelihood: Likelihood | None = None,
) -> Services:
    """Build the services over a migrated database and a started embedder. Blocking.

    Call it once per data directory: calls that an earlier server had sent and not reported become unknown.
    """
    keys = Keys(database, clock)
    limits = HostLimits(settings.action_host_calls, settings.action_host_failures, settings.action_host_seconds)
    hosts = Hosts(limits)
    secrets, grants = _secrets(settings), NetworkGrants.parse(settings.private_hosts)
    connections, keyring = _connections(settings, secrets, database, keys, clock)
    toolbox = toolbox_of(settings, ToolPins(database, clock), secrets)
    load = action_loader(settings, keyring, hosts=hosts, toolbox=toolbox)
    personas = PersonaLibrary(
        settings.personas_dir, load, clock, pins=settings.documents_dir, edition=lambda: toolbox.changes
    )
    parser = Parser(Limits(scan_seconds=settings.scan_seconds, scan_threads=settings.scan_threads))
    sizes = index_sizes or IndexSizes(least_recall=settings.index_recall)
    knowledge = Knowledge(
        database, embedder, settings.indexes_dir, parser, clock, rerank=rerank, index_sizes=sizes
    )
    approvals = Approvals(database, clock)
    approvals.mark_interrupted()
    journal = Journal(database, clock, keep_arguments=settings.action_arguments)
    journal.mark_interrupted()
    feedback = FeedbackStore(database, clock)

    def expire(now: float) -> None:
        journal.prune(now - settings.action_days * DAY)
        feedback.prune(now - settings.transcript_metadata_days * DAY)

    transcripts = Recorder(
        database,
        clock,
        keep=Keep(settings.transcripts),
        retention=Retention(settings.transcript_days, settings.transcript_metadata_days),
        expire=expire,
    )
    uploads = _uploads(settings, database, embedder, parser, clock, knowledge)
    judges = Judges(secrets, grants)
    evaluations = _evaluations(settings, database, personas, engine, judges, clock, likelihood)
    sync = KnowledgeSync(knowledge, personas, settings.knowledge_root)
    metrics = Metrics(personas, sync, engine, hosts)
    return Services(
        settings=settings,
        clock=clock,
        keys=keys,
        gate=Gate.of(settings, keys),
        meter=Meter(Ledger(database), clock),
        personas=personas,
        engine=engine,
        releases=releases,
        embedder=embedder,
        knowledge=knowledge,
        sync=sync,
        approvals=approvals,
        connections=connections,
        journal=journal,
        hosts=hosts,
        toolbox=toolbox,
        hooks=Hooks(HookJobs(database, clock), Courier(secrets, grants, clock), clock, personas.hooks_of),
        uploads=uploads,
        tuning=tuning_of(settings, database, uploads.files, personas, clock, evaluations.gate),
        evaluations=evaluations,
        reported=Reported(database, clock),
        transcripts=transcripts,
        feedback=feedback,
        metrics=metrics,
        traces=traces_of(settings),
        observers=(metrics.turns, TurnLog(), transcripts, *([rollouts.watch] if rollouts else [])),
        rollouts=rollouts,
    )


def _evaluations(
    settings: Settings,
    database: Database,
    personas: PersonaLibrary,
    engine: Engine,
    judges: Judges,
    clock: Clock,
    likelihood: Likelihood | None,
) -> Evaluating:
    store, registry = Evaluations(database, clock), Registry(database, settings.adapters_dir, clock)
    datasets = Datasets(database, settings.datasets_dir, clock)
    beginning = Beginning(store, registry, datasets, personas, lambda: engine.base_model)
    worker = EvaluationWorker(store, registry, Comparing(store, judges), clock)
    gate = PipelineGate(beginning, worker, settings.knowledge_root)
    return Evaluating(store, beginning, worker, gate, likelihood)


def _uploads(
    settings: Settings,
    database: Database,
    embedder: TextEmbedder,
    parser: Parser,
    clock: Clock,
    knowledge: Knowledge,
) -> Uploads:
    blobs = Blobs(settings.blobs_dir)
    blobs.drop_drafts()
    tokens = ModelTokens(lambda: settings.embedding_model_dir)
    files = Files(database, blobs, clock)
    return Uploads(
        files=files,
        stores=VectorStores(database, embedder, clock),
        entries=StoreFiles(database, clock, files.check),
        ingest=Ingest(database, embedder, parser, tokens, blobs.path),
        knowledge=knowledge,
    )


def tuning_of(
    settings: Settings,
    database: Database,
    files: Files,
    personas: PersonaLibrary,
    clock: Clock,
    evaluate: Evaluate,
) -> FineTuning:
    """Return the fine-tuning jobs of a server, whose versions `evaluate` judges."""

    def system_of(name: str) -> str | None:
        persona = personas.serving(name)
        return None if persona is None else system_prompt_of(persona)

    around = replace(surroundings_of(settings, database, clock, system_of), evaluate=evaluate)
    jobs, lease = Jobs(database, clock), Lease(database, clock)
    return FineTuning(jobs, files, around, lease, engine_does=settings.training_engine)


def system_prompt_of(persona: Persona) -> str:
    """Return what a persona is served with, and so what each of its examples must begin with."""
    return system_text(persona.spec.instructions, persona.actions.operations, ())


def surroundings_of(
    settings: Settings, database: Database, clock: Clock, system_of: Callable[[str], str | None]
) -> Surroundings:
    """Return what the steps of fine-tuning jobs work with, without an engine."""
    return Surroundings(
        folders=JobFolders(settings.training_dir),
        base_dir=lambda: settings.base_model_dir,
        base=lambda: base_of(settings),
        limits=limits_of(settings),
        registry=Registry(database, settings.adapters_dir, clock),
        system_of=system_of,
        threads=settings.training_threads or len(os.sched_getaffinity(0)),
        program=tuple(shlex.split(settings.training_command)) or TRAINER,
    )


def documents_of(settings: Settings) -> Documents:
    """Return the OpenAPI documents of personas: those of the checkout, and what was accepted of URLs."""
    return Documents(settings.knowledge_root, Pins(settings.documents_dir))


def connections_of(settings: Settings, database: Database, keys: Keys, clock: Clock) -> Connections:
    """Return the accounts of callers at other services, for whoever calls none of these."""
    return _connections(settings, _secrets(settings), database, keys, clock)[0]


def _connections(
    settings: Settings, secrets: Secrets, database: Database, keys: Keys, clock: Clock
) -> tuple[Connections, Keyring]:
    """Return the accounts of callers at other services, and what hands out all credentials."""
    grants, seal = NetworkGrants.parse(settings.private_hosts), Seal(settings.oauth_keys_path)
    oauth, tokens = OAuthClient(grants, clock), Tokens(database, seal, clock)
    waiting = Connects(database, clock)
    connections = Connections(secrets, tokens, waiting, seal, oauth, is_gone=keys.live.is_gone)
    return connections, Keyring(secrets, grants, oauth, connections, clock=clock)


def _secrets(settings: Settings) -> Secrets:
    return Secrets.read(settings.secrets_file) if settings.secrets_file else Secrets.none()


def action_loader(
    settings: Settings,
    keyring: Keyring | None = None,
    *,
    documents: Documents | None = None,
    hosts: Hosts | None = None,
    toolbox: Toolbox | None = None,
) -> LoadActions:
    """Return what reads a persona's actions, within the network and secrets that settings grant.

    Args:
        settings: of this server.
        keyring: hands out credentials; without one, what is loaded can be looked at, and called where no caller's
            account is needed.
        documents: where they are read and kept; by default those of the settings.
        hosts: what is known of the hosts that are called; whoever calls none leaves it out.
        toolbox: the MCP servers; without it, those of the settings, of whose tools nothing is known.
    """
    shared = hosts or Hosts()
    pauses = Pauses(attempts=settings.action_attempts)
    grants = NetworkGrants.parse(settings.private_hosts)
    secrets = _secrets(settings) if keyring is None else keyring.secrets
    source, servers = documents or documents_of(settings), toolbox or toolbox_of(settings, None)

    def load(spec: PersonaSpec) -> ActionSet:
        for hook in spec.integrations.hooks:
            secrets.signing_key(hook.secret, PersonaId(spec.id), None, grants)
        return ActionSet.load(
            spec.actions,
            root=settings.knowledge_root,
            grants=grants,
            secrets=secrets,
            persona=PersonaId(spec.id),
            keyring=keyring,
            documents=source,
            hosts=shared,
            pauses=pauses,
            toolbox=servers,
        )

    return load


def toolbox_of(settings: Settings, pins: ToolPins | None, secrets: Secrets | None = None) -> Toolbox:
    """Return the MCP servers that the settings name.

    Args:
        settings: of this server.
        pins: the tools that were accepted; None: nothing is known of them.
        secrets: those of the server; by default read from the settings' file.
    """
    servers = McpServers.read(settings.mcp_file) if settings.mcp_file else McpServers.none()
    grants = NetworkGrants.parse(settings.private_hosts)
    return Toolbox(servers, pins, grants=grants, secrets=secrets or _secrets(settings))
