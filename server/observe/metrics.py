"""The metrics of one app and their text. Owns the registry; nothing here is shared between apps."""

import asyncio

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from actions import Hosts
from core.errors import NotFound
from server.engine_port import Engine
from server.knowledge_sync import KnowledgeSync
from server.observe.http import HttpMetrics
from server.observe.residents import Supervised
from server.observe.state import StateCollector
from server.observe.turns import TurnMetrics
from server.personas.library import PersonaLibrary

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PIECES_AT_ONCE = 10


class Metrics:
    """Everything that `/metrics` shows."""

    def __init__(self, personas: PersonaLibrary, sync: KnowledgeSync, engine: Engine, hosts: Hosts) -> None:
        self._registry = CollectorRegistry()
        self._personas = personas
        self.turns = TurnMetrics()
        self.http = HttpMetrics()
        self._state = StateCollector(self.http, personas, sync, engine, hosts)
        self._registry.register(self.http)
        self._registry.register(self._state)
        ProcessCollector(registry=self._registry)
        self._writing = asyncio.Lock()
        self._driver: Supervised | None = None

    def attach(self, driver: Supervised) -> None:
        """Tell who supervises the engine."""
        self._driver = driver
        self._state.attach(driver)

    async def engine_text(self, engine: int) -> bytes:
        """Return the own metrics of one engine.

        Raises:
            NotFound: there is no such engine.
            Unavailable: it is away.
        """
        if self._driver is None:
            raise NotFound("No engine is supervised here.", code="engine_not_found")
        return await self._driver.metrics(engine)

    async def text(self) -> bytes:
        """Return all metrics in Prometheus' text format; one at a time, and with pauses for the others' work."""
        async with self._writing:
            await self._state.refresh()
            self.turns.keep([persona.id for persona in self._personas.personas])
            parts = [generate_latest(self._registry).decode()]
            for number, piece in enumerate(self.turns.pieces()):
                parts.append(piece)
                if number % _PIECES_AT_ONCE == 0:
                    await asyncio.sleep(0)
            return "".join(parts).encode()
