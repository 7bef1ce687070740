"""The server's state at the moment of a scrape: readiness and its reasons, personas, knowledge, engine.

Reads what others keep; asks the engine for its adapters at most once in a while.
"""

import time
from collections.abc import Iterable, Sequence

import anyio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from actions import BreakerState, Hosts
from core.errors import RepertoryError
from server.engine_port import Engine
from server.knowledge_sync import KnowledgeSync
from server.observe import names
from server.observe.http import HttpMetrics
from server.observe.residents import Resident, Supervised
from server.personas.library import PersonaLibrary

_FRESH_SECONDS = 10.0
_PATIENCE_SECONDS = 2.0


class StateCollector(Collector):
    """Gauges of the whole server."""

    def __init__(
        self,
        http: HttpMetrics,
        personas: PersonaLibrary,
        sync: KnowledgeSync,
        engine: Engine,
        hosts: Hosts,
    ) -> None:
        self._http = http
        self._personas = personas
        self._sync = sync
        self._engine = engine
        self._hosts = hosts
        self._driver: Supervised | None = None
        self._residents: Sequence[Resident] = ()
        self._asked_at = float("-inf")

    def attach(self, driver: Supervised) -> None:
        """Tell who supervises the engine."""
        self._driver = driver

    async def refresh(self) -> None:
        """Ask for the resident adapters, unless they were asked for just now; never for long."""
        if self._driver is None or time.monotonic() - self._asked_at < _FRESH_SECONDS:
            return
        self._asked_at = time.monotonic()
        self._residents = ()  # what is not known is not shown
        if self._engine.ready().ok:
            with anyio.move_on_after(_PATIENCE_SECONDS):
                try:
                    self._residents = await self._driver.residents()
                except RepertoryError:
                    return  # an engine that has just gone away; `engine_up` will say so

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        engine_up = self._engine.ready().ok
        waiting, failed = len(self._sync.waiting), len(self._sync.failed)
        yield _gauge(names.RUNNING, self._http.chats_running())
        yield _gauge(names.READY, engine_up and not waiting)
        reasons = {"engine_unavailable": not engine_up, "knowledge_unavailable": bool(waiting)}
        yield _gauges(names.NOT_READY, reasons)
        yield _gauge(names.PERSONAS, len(self._personas.personas))
        yield _gauge(names.PROBLEMS, len(self._personas.problems))
        yield _gauges(names.STORES, {"waiting": waiting, "failed": failed})
        yield _gauge(names.ENGINE_UP, engine_up)
        restarts = self._driver.restarts if self._driver else 0
        yield CounterMetricFamily(names.ENGINE_RESTARTS.name, names.ENGINE_RESTARTS.help, value=restarts)
        yield self._resident()
        left_alone = {host: state is not BreakerState.CLOSED for host, state in self._hosts.states().items()}
        yield _gauges(names.LEFT_ALONE, left_alone)

    def _resident(self) -> Metric:
        family = GaugeMetricFamily(names.RESIDENT.name, names.RESIDENT.help, labels=names.RESIDENT.labels)
        for one in self._residents:
            level = "slot" if one.in_slot else "memory"
            family.add_metric([str(one.engine), one.name, level, str(one.pinned).lower()], 1)
        return family


def _gauge(family: names.Family, value: float) -> Metric:
    return GaugeMetricFamily(family.name, family.help, value=float(value))


def _gauges(family: names.Family, values: dict[str, int] | dict[str, bool]) -> Metric:
    metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for label, value in values.items():
        metric.add_metric([label], float(value))
    return metric
