"""Responses by route template and status, errors by code, and what is under way. Knows no persona."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from server.observe import names
from server.observe.request import RequestNote

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_CHAT = "/v1/chat/completions"
_OTHER = "other"
_MOST_CODES = 100
"""Codes are words of ours, so there are fewer; the bound keeps a slip from growing the metrics."""


class HttpMetrics(Collector):
    """Counts requests at the outermost layer. Touched by the event loop only."""

    def __init__(self) -> None:
        self._responses: Counter[tuple[str, ...]] = Counter()
        self._errors: Counter[tuple[str, ...]] = Counter()
        self._open: dict[int, Scope] = {}

    def begun(self, scope: Scope) -> None:
        """Note a request that has come in."""
        self._open[id(scope)] = scope

    def ended(self, scope: Scope, note: RequestNote) -> None:
        """Count a request that is answered, or whose client has left."""
        del self._open[id(scope)]
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        status = "none" if note.status is None else str(note.status)
        self._responses[method, _route(scope), status] += 1
        if note.error is not None:
            self._errors[self._known(note.error),] += 1

    def chats_running(self) -> int:
        """Return how many chat turns are under way."""
        return sum(1 for scope in self._open.values() if _route(scope) == _CHAT)

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        yield _family(names.RESPONSES, self._responses)
        yield _family(names.ERRORS, self._errors)

    def _known(self, code: str) -> str:
        return code if len(self._errors) < _MOST_CODES or (code,) in self._errors else _OTHER


def _route(scope: Scope) -> str:
    """Return the template of the route that answers, never the path that was asked for."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else _OTHER


def _family(family: names.Family, counts: Counter[tuple[str, ...]]) -> Metric:
    metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for labels, count in counts.items():
        metric.add_metric(labels, count)
    return metric
