"""The metrics of one app and their text. Owns the registry; nothing here is shared between apps."""

import asyncio

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

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

    def __init__(self, personas: PersonaLibrary, sync: KnowledgeSync, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._personas = personas
        self.turns = TurnMetrics()
        self.http = HttpMetrics()
        self._state = StateCollector(self.http, personas, sync, engine)
        self._registry.register(self.http)
        self._registry.register(self._state)
        ProcessCollector(registry=self._registry)
        self._writing = asyncio.Lock()

    def attach(self, driver: Supervised) -> None:
        """Tell who supervises the engine."""
        self._state.attach(driver)

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
