"""One log line for each turn: an observer of finished turns."""

import logging

from server.observe.logs import FIELDS
from server.turn.record import TurnRecord

_LOG = logging.getLogger("server.turn")


class TurnLog:
    """Writes how turns ended: ids, counts and times, never a text."""

    def finished(self, record: TurnRecord) -> None:
        """Write the line of one turn."""
        if not _LOG.isEnabledFor(logging.INFO):
            return
        tokens = record.tokens()
        status = "abandoned" if record.abandoned else "error" if record.error else "ok"
        fields = {
            "completion": record.completion,
            "persona": record.persona,
            "revision": record.revision,
            "adapter": record.adapter,
            "principal": record.principal,
            "status": status,
            "seconds": round(record.seconds, 3),
            "first_token": None if record.first_token is None else round(record.first_token, 3),
            "prompt_tokens": tokens["prompt_tokens"],
            "completion_tokens": tokens["completion_tokens"],
            "engine_calls": record.usage.calls,
            "retrieval": record.retrieval,
            "rewrite": record.rewrite,
            "actions": len(record.calls),
            "finish": record.finish,
            "error": record.error,
        }
        _LOG.info("turn", extra={FIELDS: fields})
