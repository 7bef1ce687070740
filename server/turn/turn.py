"""The chat turn: retrieval, prompt, actions, engine, answer. Their order, not their insides."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from actions import Approval
from core.errors import RepertoryError, Unavailable
from server.engine_port import Choice, Frame, Message
from server.services import Services
from server.turn import prompt
from server.turn.answer import AnswerText
from server.turn.calls import Caller, waiting_note
from server.turn.completion import repertory_block, whole_choice, whole_frame
from server.turn.context import TurnContext
from server.turn.frames import Frames
from server.turn.guided import GuidedCalling
from server.turn.native import NativeStep, ToolCalls, make_calls
from server.turn.parameters import client_tools, engine_parameters
from server.turn.passages import (
    DECLINED,
    UNAVAILABLE_NOTE,
    Found,
    Retrieval,
    cache_salt,
    find_passages,
    searches,
)
from server.turn.query import Query, with_history
from server.turn.relay import Relay
from server.turn.resume import Resume, without_waiting_answer
from server.turn.rewriting import with_model
from server.turn.steps import Outcome, told


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do after retrieval and guided calling: a fixed answer, or an engine call.

    Attributes:
        waiting: calls that wait for approval meanwhile; the answer reminds of them.
    """

    found: Found
    messages: list[Message]
    fixed: str | None = None
    waiting: tuple[Approval, ...] = ()


class ChatTurn:
    """One turn. Use it once, for `complete` or for `stream`."""

    def __init__(self, services: Services, context: TurnContext) -> None:
        self._services = services
        self._context = context
        self._spec = context.persona.spec
        self._actions = context.persona.actions
        self._named = context.request.repertory.vector_stores
        self._salt = cache_salt(self._spec, context.principal, self._named)
        self._caller = Caller(context, services.approvals, services.journal, services.reported)
        self._native = self._spec.calling == "native" and bool(self._actions.operations)
        self._closing = None if context.request.wants_json else self._spec.closing
        self._live = context.request.repertory.include and bool(self._actions.operations)
        self._offered = {tool.function.name for tool in context.request.tools or ()}

    async def complete(self) -> Frame:
        """Return the whole answer."""
        plan = await self._plan()
        if plan.fixed is not None:
            return await self._whole(plan, [self._fixed_choice(plan.fixed)])
        messages, record = plan.messages, self._context.record
        while True:
            record.engine_asked()
            completion = await self._services.engine.chat(self._context.engine_model, self._payload(messages))
            record.engine_answers()
            record.usage.add(completion.get("usage"))
            if record.seen is not None:
                record.seen.add(completion["choices"][0].get("message", Message()))
            step = await self._native_step(completion["choices"][0]) if self._native else None
            if step is None:
                return await self._whole(plan, completion["choices"])
            if step.fixed is not None:
                return await self._whole(plan, [self._fixed_choice(step.fixed)])
            messages = [*messages, *step.messages]

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the answer as server-sent events, from the role to `[DONE]`."""
        frames = Frames(self._context)
        async with aclosing(told(self._plan, self._context.steps, live=self._live)) as planning:
            async for step in planning:
                if isinstance(step, Outcome):
                    plan = step.value
                else:
                    for part in frames.step(step):
                        yield part
        relay = Relay(
            self._context,
            frames,
            self._services.embedder,
            plan.found.passages,
            check=self._checks(plan),
            cite=self._spec.retrieval.citations,
            note=self._note(plan),
            closing=self._closing,
            block=plan.found.shown(),
        )
        if plan.fixed is not None:
            for part in await relay.whole(self._fixed_message(plan.fixed)):
                yield part
        else:
            async with aclosing(self._relayed(relay, frames, plan.messages)) as answer:
                async for part in answer:
                    yield part
        for part in relay.closing():
            yield part

    async def _relayed(self, relay: Relay, frames: Frames, messages: list[Message]) -> AsyncGenerator[bytes, None]:
        engine, model, record = self._services.engine, self._context.engine_model, self._context.record
        while True:
            record.engine_asked()
            calls, text, last = ToolCalls(), "", None
            async with aclosing(engine.stream(model, self._payload(messages))) as upstream:
                async for frame in upstream:
                    record.engine_answers()
                    record.usage.add(frame.pop("usage", None))
                    for choice in frame["choices"]:
                        delta = choice.get("delta", Message())
                        if delta.get("content") or delta.get("tool_calls"):
                            record.token()
                            if record.seen is not None and choice["index"] == 0:
                                record.seen.add(delta)
                        if self._native:
                            calls.add(delta.get("tool_calls") or [])
                            text += delta.get("content") or ""
                    for part in relay.pass_on(frame, tools=not self._native):
                        yield part
                    for choice in frame["choices"]:
                        if choice["finish_reason"] is None:
                            continue
                        last = choice
                        if not self._native:
                            for part in await relay.finish(choice):
                                yield part
            if not self._native or last is None:
                return
            ours, theirs = calls.split(self._offered)
            if ours and not theirs:
                made = NativeStep()
                work = partial(make_calls, ours, text, self._actions, self._caller)
                async with aclosing(told(work, self._context.steps, live=self._live)) as making:
                    async for step in making:
                        if isinstance(step, Outcome):
                            made = step.value
                        else:
                            for part in frames.step(step):
                                yield part
                if made.fixed is None:
                    messages = [*messages, *made.messages]
                    continue
                for part in relay.pass_on(self._fixed_frame(made.fixed), tools=False):
                    yield part
                last["finish_reason"] = "stop"
            elif theirs:
                yield relay.tool_calls(last["index"], theirs)
            for part in await relay.finish(last):
                yield part
            return

    async def _native_step(self, choice: Choice) -> NativeStep | None:
        """Make the server's calls of a whole answer; None where the answer is the client's.

        Where one answer calls both, the client's calls go out first: the server's are dropped, and the
        model makes them again once the client has answered.
        """
        message = choice.get("message", Message())
        calls = ToolCalls()
        calls.add(message.get("tool_calls") or [])
        ours, theirs = calls.split(self._offered)
        if ours and not theirs:
            return await make_calls(ours, message.get("content") or "", self._actions, self._caller)
        if theirs:
            message["tool_calls"] = theirs
        return None

    async def _plan(self) -> Plan:
        state = self._services.engine.ready()
        if not state.ok:
            raise Unavailable(state.reason, code="engine_unavailable", retry_after=state.retry_after)
        history = prompt.history(self._context.request.messages)
        found = await self._find([entry["content"] or "" for entry in history if entry["role"] == "user"])
        self._caller.show([f"{prompt.heading_of(one)} {one.text}" for one in found.passages])
        messages = self._messages(history, found)
        waiting: tuple[Approval, ...] = ()
        if self._actions.operations:
            resumed = await Resume(
                self._context, self._services.approvals, self._services.reported, self._caller
            ).look()
            waiting = resumed.waiting
            if resumed.fixed is not None or resumed.messages:
                continued = [*without_waiting_answer(messages), *resumed.messages]
                return Plan(found, continued, resumed.fixed, waiting)
            if not self._native and not self._context.request.forces_a_tool:
                guided = await GuidedCalling(self._context, self._services.engine, self._caller, self._salt).run(
                    messages
                )
                if guided.called:
                    return Plan(found, guided.messages, guided.fixed, waiting)
        if found.state is Retrieval.NOTHING_FOUND and self._spec.retrieval.when_nothing_found == "decline":
            return Plan(found, messages, DECLINED, waiting)
        return Plan(found, messages, None, waiting)

    async def _query(self, questions: Sequence[str]) -> Query:
        rewrite = self._spec.knowledge.rewrite
        if rewrite == "off" or not searches(self._spec, questions[-1] if questions else "", self._named):
            return Query(questions[-1] if questions else "")
        query = with_history(questions)
        if rewrite == "model":
            return await with_model(query, questions, self._services.engine, self._context.record, self._salt)
        return query

    async def _find(self, questions: Sequence[str]) -> Found:
        record = self._context.record
        query = await self._query(questions)
        record.rewrite, begun = query.rewrite.value, time.monotonic()
        try:
            found = await find_passages(
                self._services.knowledge,
                self._services.sync,
                self._spec,
                query,
                self._context.principal,
                self._named,
            )
        except RepertoryError:
            record.searched(Retrieval.UNAVAILABLE.value, begun)
            raise
        record.sources = [passage.id for passage in found.passages]
        if found.state is not Retrieval.NOT_USED:
            record.searched(found.state.value, begun)
        return found

    def _messages(self, history: list[Message], found: Found) -> list[Message]:
        wishes = [m.text for m in self._context.request.messages if m.role in ("system", "developer")]
        system = prompt.system_text(self._spec.instructions, self._actions.operations, wishes, self._actions.notes)
        if found.state in (Retrieval.FOUND, Retrieval.NOTHING_FOUND):
            for entry in reversed(history):
                if entry["role"] == "user":
                    entry["content"] = prompt.with_passages(entry["content"] or "", found.passages)
                    break
        return [Message(role="system", content=system), *history] if system else history

    def _payload(self, messages: Sequence[Message]) -> dict[str, object]:
        request = self._context.request
        payload: dict[str, object] = {"messages": messages, **engine_parameters(request, self._spec.model)}
        tools = client_tools(request)
        if self._native and not request.forces_a_tool:
            tools["tools"] = [*self._actions.tools(), *tools.get("tools", ())]
            tools.setdefault("tool_choice", "auto")
            if self._context.record.usage.calls >= self._context.max_steps or not self._context.has_time():
                tools["tool_choice"] = "none"
        payload.update(tools)
        if self._salt is not None:
            payload["cache_salt"] = self._salt
        if self._context.record.seen is not None:
            self._context.record.seen.payload = payload
        return payload

    async def _whole(self, plan: Plan, upstream: list[Choice]) -> Frame:
        choices, cited = [], set()
        for choice in upstream:
            kept = self._context.record.answer(choice["index"])
            text = AnswerText(
                plan.found.passages,
                check=self._checks(plan),
                cite=self._spec.retrieval.citations,
                note=self._note(plan),
                closing=self._closing,
                kept=kept,
            )
            finished, numbers = await whole_choice(
                self._context, self._services.embedder, choice, text, plan.found.passages
            )
            choices.append(finished)
            cited |= numbers
        block = None
        if self._context.request.repertory.include:
            block = repertory_block(self._context, plan.found.passages, cited, plan.found.shown())
        return whole_frame(self._context, choices, block)

    def _checks(self, plan: Plan) -> bool:
        """Tell whether markers of the answer are checked: also where nothing was found, since they then lie."""
        searched = plan.found.state is not Retrieval.NOT_USED
        return searched and not self._context.request.wants_json and plan.fixed is None

    def _note(self, plan: Plan) -> str:
        if self._context.request.wants_json:
            return ""
        reminder = waiting_note(plan.waiting, plan.fixed)
        return reminder + (UNAVAILABLE_NOTE if plan.found.state is Retrieval.UNAVAILABLE else "")

    def _fixed_message(self, text: str) -> Message:
        """Return an answer of the server's own; where JSON is asked for, that is a refusal in words."""
        self._context.record.seen = None  # no version is to blame for it, or to be praised
        if not self._context.request.wants_json:
            return Message(content=text)
        if (kept := self._context.record.answer(0)) is not None:
            kept.append(text)
        return Message(refusal=text)

    def _fixed_choice(self, text: str) -> Choice:
        return Choice(index=0, message=self._fixed_message(text), finish_reason="stop")

    def _fixed_frame(self, text: str) -> Frame:
        choice = Choice(index=0, delta=self._fixed_message(text), finish_reason=None)
        return Frame(id="", object="", created=0, model="", choices=[choice])
