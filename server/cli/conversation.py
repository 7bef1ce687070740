"""One conversation with a persona over the plain chat endpoint, as the terminal shows it."""

import re
import secrets
from dataclasses import dataclass, field

import typer
from pydantic import BaseModel, ConfigDict

from core.errors import RepertoryError, UpstreamFailed
from server.cli.answers import Approval
from server.cli.gateway import Gateway, read

_APPROVAL_ID = re.compile(r"appr-[0-9a-z]{24}")
_MAX_APPROVALS = 8  # in one turn; a model that asks on and on is stopped here


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _UrlCitation(_Lenient):
    url: str
    title: str = ""
    start_index: int = 0
    end_index: int = 0


class _Annotation(_Lenient):
    url_citation: _UrlCitation


class _Delta(_Lenient):
    content: str | None = None
    annotations: list[_Annotation] = []


class _Choice(_Lenient):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Frame(_Lenient):
    choices: list[_Choice]


@dataclass(slots=True)
class Reply:
    """What one request brought."""

    text: str = ""
    citations: list[_UrlCitation] = field(default_factory=list)
    finish_reason: str | None = None


class Conversation:
    """Keeps the messages, streams answers, and asks the person where an action needs approval.

    Args:
        gateway: the running server.
        persona: the model name.
        may_ask: whether a person is there to answer yes or no.
    """

    def __init__(self, gateway: Gateway, persona: str, *, may_ask: bool) -> None:
        self._gateway = gateway
        self._persona = persona
        self._may_ask = may_ask
        self._id = f"terminal-{secrets.token_hex(8)}"
        self._messages: list[dict[str, str]] = []

    def fresh(self) -> "Conversation":
        """Return a new conversation with the same persona."""
        return Conversation(self._gateway, self._persona, may_ask=self._may_ask)

    def say(self, text: str) -> None:
        """Send a message, show the answer and its sources, and settle approvals until the turn is done.

        A failed or interrupted turn leaves the conversation as it was before.
        """
        before = list(self._messages)
        try:
            self._messages.append({"role": "user", "content": text})
            reply = self._ask()
            for _ in range(_MAX_APPROVALS):
                if not self._settle(reply):
                    break
                reply = self._ask()  # the same messages again: the server finds the decision and goes on
            self._messages.append({"role": "assistant", "content": reply.text})
        except BaseException:
            self._messages = before
            raise

    def _ask(self) -> Reply:
        reply = Reply()
        request = {
            "model": self._persona,
            "messages": self._messages,
            "stream": True,
            "repertory": {"conversation": self._id},
        }
        for body in self._gateway.stream("/v1/chat/completions", request):
            for choice in _Frame.model_validate(body).choices:
                piece = choice.delta.content or ""
                typer.echo(piece, nl=False)
                reply.text += piece
                reply.citations.extend(one.url_citation for one in choice.delta.annotations)
                reply.finish_reason = choice.finish_reason or reply.finish_reason
        typer.echo()
        if reply.finish_reason is None:
            raise UpstreamFailed("The answer broke off before its end. Ask again.")
        if reply.finish_reason == "length":
            typer.secho("(cut at the longest length that the persona allows)", dim=True)
        self._show_sources(reply)
        return reply

    def _show_sources(self, reply: Reply) -> None:
        numbers: dict[str, list[str]] = {}
        for citation in reply.citations:
            marker = reply.text[citation.start_index : citation.end_index]
            marks = numbers.setdefault(f"{citation.title}  {self._gateway.url_of(citation.url)}", [])
            if re.fullmatch(r"\[\d+\]", marker) and marker not in marks:
                marks.append(marker)
        if numbers:
            typer.secho("Sources", bold=True)
        for source, marks in numbers.items():
            typer.echo(f"  {' '.join(marks) or '-'} {source}")

    def _settle(self, reply: Reply) -> bool:
        """Ask the person about the calls that the answer says are waiting; tell whether any was decided."""
        named = set(_APPROVAL_ID.findall(reply.text))
        if not named:
            return False
        try:
            waiting = [one for one in read(Approval, self._gateway.get("/api/approvals")) if one.id in named]
        except RepertoryError:
            waiting = []  # this key may not approve; someone else decides
        decided = False
        for approval in waiting:
            if approval.state == "pending" and self._may_ask:
                self._decide(approval)
                decided = True
        if not decided:
            typer.secho("Someone with the right to approve decides; then say anything to go on.", dim=True)
        return decided

    def _decide(self, approval: Approval) -> None:
        typer.secho(f"\n{self._persona} wants to call {approval.call}", bold=True)
        if approval.effect:
            typer.echo(f"  {approval.effect}")
        decision = "approve" if typer.confirm("Allow this?", default=False) else "deny"
        self._gateway.post(f"/api/approvals/{approval.id}", {"decision": decision})
