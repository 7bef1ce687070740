"""What turns did and how long they took, by persona and adapter version: an observer of finished turns.

Series exist for personas that serve; those of a persona that is gone go with it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from server.observe import names
from server.observe.names import Family
from server.observe.series import Histogram, HistogramText, head, label_text, sample
from server.turn.record import TurnRecord

MOST_VERSIONS = 8
"""Adapter versions that are shown of one persona; a further one takes the place of the oldest."""

_WRITERS = {family: HistogramText(family) for family in names.TURNS if family.buckets}


@dataclass(slots=True)
class _Series:
    """The numbers of one persona with one adapter version: by family, then by further labels."""

    labels: str
    counters: dict[Family, dict[str, int]] = field(default_factory=dict)
    histograms: dict[Family, dict[str, Histogram]] = field(default_factory=dict)

    def count(self, family: Family, amount: int = 1, more: str = "") -> None:
        values = self.counters.setdefault(family, {})
        values[more] = values.get(more, 0) + amount

    def histogram(self, family: Family, more: str = "") -> Histogram:
        found = self.histograms.setdefault(family, {})
        if more not in found:
            found[more] = Histogram(family.buckets)
        return found[more]

    def text(self, family: Family) -> str:
        """Return the lines of one family."""
        if family.buckets:
            write = _WRITERS[family].block
            return "".join(write(self.labels + more, h) for more, h in self.histograms.get(family, {}).items())
        values = self.counters.get(family, {})
        return "".join(sample(family, self.labels + more, value) for more, value in values.items())


class TurnMetrics:
    """Counts turns. Touched by the event loop only."""

    def __init__(self) -> None:
        self._personas: dict[str, dict[str, _Series]] = {}

    def finished(self, record: TurnRecord) -> None:
        """Count one turn."""
        series = self._series(record.persona, record.adapter or names.BASE)
        if record.abandoned:
            series.count(names.ABORTED)
        elif record.error is not None:
            series.count(names.FAILURE, more=_more(code=record.error))
        else:
            series.count(names.SUCCESS, more=_more(finished_reason=record.finish or "stop"))
            series.histogram(names.LATENCY).observe(record.seconds)
        series.count(names.ENGINE_CALLS, record.usage.calls)
        tokens = record.tokens()
        series.count(names.PROMPT_TOKENS, tokens["prompt_tokens"])
        series.count(names.GENERATION_TOKENS, tokens["completion_tokens"])
        series.count(names.CACHED_TOKENS, (tokens.get("prompt_tokens_details") or {}).get("cached_tokens", 0))
        if record.answering is not None and record.answering.arm is not None:
            _count_arm(series, record, record.answering.arm)
        if record.streamed:
            _count_stream(series, record)
        if record.retrieval_seconds is not None:
            outcome = _more(outcome=record.retrieval)
            series.histogram(names.RETRIEVAL, outcome).observe(record.retrieval_seconds)
        for call in record.calls:
            how = _more(operation=call.operation, state=call.state)
            series.histogram(names.ACTION, how).observe(call.seconds)

    def keep(self, personas: Collection[str]) -> None:
        """Forget every persona but these."""
        for gone in self._personas.keys() - set(personas):
            del self._personas[gone]

    def pieces(self) -> Iterator[str]:
        """Yield the text of all families, in pieces that take well under a millisecond each.

        The caller may serve others in between: each line group is whole in itself.
        """
        for family in names.TURNS:
            yield head(family)
            for versions in list(self._personas.values()):
                yield "".join([series.text(family) for series in versions.values()])

    def _series(self, persona: str, adapter: str) -> _Series:
        versions = self._personas.setdefault(persona, {})
        found = versions.get(adapter)
        if found is None:
            if len(versions) >= MOST_VERSIONS:
                del versions[next(iter(versions))]
            found = versions[adapter] = _Series(label_text({"persona": persona, "adapter": adapter}))
        return found


def _count_stream(series: _Series, record: TurnRecord) -> None:
    if record.first_token is not None:
        series.histogram(names.FIRST_TOKEN).observe(record.first_token)
    if record.engine_wait is not None:
        series.histogram(names.ENGINE_WAIT).observe(record.engine_wait)
    if record.gaps:
        series.histogram(names.TOKEN_GAP).observe_all(record.gaps)


def _count_arm(series: _Series, record: TurnRecord, arm: str) -> None:
    ended = record.error is None and not record.abandoned
    result = (record.finish or "stop") if ended else ("aborted" if record.abandoned else "error")
    series.count(names.ARM_TURNS, more=_more(arm=arm, result=result))
    if ended:
        series.histogram(names.ARM_LATENCY, _more(arm=arm)).observe(record.seconds)


def _more(**labels: str) -> str:
    return "," + label_text(labels)
