"""The text of one answer as it grows: markers checked, the note put first, citations found at the end."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import anyio

from core.errors import RepertoryError
from retrieval import Citation, MarkerFilter, Passage, TextEmbedder, attribute
from server.engine_port import Annotation, UrlCitation
from server.turn.prompt import heading_of

_LOG = logging.getLogger(__name__)


class AnswerText:
    """Feeds pieces of the model's text through the marker filter and keeps what was sent.

    Args:
        passages: those in the prompt.
        check: take out markers that name no passage; off for JSON and for texts of the server's own.
        cite: whether the passages may be cited; if not, every marker names none.
        note: put before the first piece.
        closing: put after the last, unless the answer ends with it anyway.
        kept: takes each piece as it is sent, for those who keep texts.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        *,
        check: bool,
        cite: bool,
        note: str = "",
        closing: str | None = None,
        kept: list[str] | None = None,
    ) -> None:
        self._passages = passages
        self._filter = MarkerFilter(len(passages) if cite else 0) if check else None
        self._cite = cite
        self._note = note
        self._closing = closing
        self._end = ""
        self._shift = 0
        self._sent: list[str] = []
        self._kept = kept

    def feed(self, piece: str) -> str:
        """Return what may be sent now that `piece` has come."""
        return self._send(self._filter.feed(piece) if self._filter else piece)

    def finish(self) -> str:
        """Return what was held back."""
        return self._send(self._filter.finish() if self._filter else "")

    def close(self) -> str:
        """Return what every answer of the persona in words ends with; call it last."""
        if self._closing is None or not self._end or self._end.rstrip().endswith(self._closing):
            return ""
        closing = f"\n\n{self._closing}"
        if self._kept is not None:
            self._kept.append(closing)
        return closing

    def _send(self, text: str) -> str:
        if text and self._note:
            text, self._shift, self._note = self._note + text, len(self._note), ""
        if self._closing is not None:
            self._end = (self._end + text)[-2 * len(self._closing) :]
        if self._filter:
            self._sent.append(text)
        if self._kept is not None:
            self._kept.append(text)
        return text

    async def citations(self, embedder: TextEmbedder, support: float) -> list[Citation]:
        """Return the citations of the whole text: the model's markers, else what the server attributes."""
        if self._filter is None or not self._cite:
            return []
        if self._filter.citations:
            found = self._filter.citations
            return [replace(one, start=one.start + self._shift, end=one.end + self._shift) for one in found]
        answer = "".join(self._sent)
        try:
            return await anyio.to_thread.run_sync(
                lambda: attribute(
                    answer, self._passages, partial(embedder.embed, priority=True), threshold=support
                )
            )
        except RepertoryError as error:
            _LOG.error("answers go out without attribution: %s", error.code)
            return []


def annotations(citations: Sequence[Citation], passages: Sequence[Passage], base_url: str) -> list[Annotation]:
    """Return citations in OpenAI's chat shape, each pointing at its passage."""
    found = []
    for citation in citations:
        passage = passages[citation.index]
        found.append(
            Annotation(
                type="url_citation",
                url_citation=UrlCitation(
                    url=passage_url(passage, base_url),
                    title=heading_of(passage),
                    start_index=citation.start,
                    end_index=citation.end,
                ),
            )
        )
    return found


def passage_url(passage: Passage, base_url: str) -> str:
    """Return the address of a passage: its document, and the characters in it."""
    return f"{base_url}/v1/files/{passage.document_id}/content#chars={passage.start}-{passage.end}"
