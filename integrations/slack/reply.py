"""How one question is replied to: who answers, what was said before, and what an earlier attempt left behind.

If an answer was begun by a process that is gone, what stands in Slack is ended with a word about it, and the
question is not answered a second time: calls may have been made already. If nothing stands there, it is
answered now.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import anyio

from core.errors import RepertoryError
from integrations.slack import blocks, words
from integrations.slack.answering import Answering
from integrations.slack.cast import Cast, Persona
from integrations.slack.held import Held, LeaseLost
from integrations.slack.history import conversation, read_thread, stray
from integrations.slack.house import House
from integrations.slack.ledger import Ledger
from integrations.slack.message import UNREACHABLE, Edited, Growing, Streamed, end_begun, stop_stream
from integrations.slack.mrkdwn import escaped, said
from integrations.slack.outlet import Outlet
from integrations.slack.people import People
from integrations.slack.question import Kind, Question, State, Thread
from integrations.slack.thread_files import ThreadFiles
from integrations.slack.threads import Threads
from integrations.slack.workspace import GONE, Answer, SlackRefused, Workspace

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
_HISTORY = 6_000
"""Characters of a thread that are told."""

_ASKED_FOR_FILES = frozenset({Kind.MENTION, Kind.DIRECT, Kind.SHORTCUT})


@dataclass(frozen=True, slots=True)
class Replying:
    """Writes replies into Slack."""

    ledger: Ledger
    threads: Threads
    files: ThreadFiles
    cast: Cast
    answering: Answering
    house: House
    people: People

    async def reply(self, question: Question) -> State:
        """Reply to a question that is claimed; return what became of it.

        Raises:
            LeaseLost: another process has taken the question over.
            SlackRefused: Slack does not take the reply.
            SlackUnclear: Slack does not answer.
        """
        workspace = self.house.workspace(question.place.app, question.place.team)
        if workspace is None or workspace.gone:
            return State.DROPPED
        try:
            if question.place.thread == question.key:
                question = await self._with_thread(workspace, question)
            messages = await self._messages(workspace, question)
            if question.attempts == 1 or not await self._ended(workspace, question, messages):
                await self._answer(workspace, question, messages)
        except SlackRefused as error:
            if error.error not in UNREACHABLE:
                raise
            await self._tell_apart(workspace, question)
        return State.DONE

    async def withdraw(self, question: Question) -> None:
        """Take back what was said to a question that was deleted, and its files."""
        workspace = self.house.workspace(question.place.app, question.place.team)
        if workspace is None:
            return
        for ts in await anyio.to_thread.run_sync(self.threads.replies_to, question.seq):
            await _deleted(workspace, question.place.channel, ts)
            await anyio.to_thread.run_sync(self.threads.forget_reply, question.place, ts)
        for file in question.files:
            await self.forget_file(question.place.app, question.place.team, str(file["id"]))

    async def forget_file(self, app: str, team: str, file: str) -> None:
        """Take a file that was deleted in Slack out of the threads that it was given to."""
        for place, thread in await anyio.to_thread.run_sync(self.threads.with_file, app, team, file):
            await self.files.remove(place, thread, file, self.people.keys(app))

    async def _with_thread(self, workspace: Workspace, question: Question) -> Question:
        """Begin a thread for a question that was asked by a command, with the question itself."""
        text = f"<@{question.user}> asks: {escaped(question.text)}"
        body = {"channel": question.place.channel, "text": text}
        await self._hold(question)
        ts = str((await workspace.call("chat.postMessage", body, repeat=False))["ts"])
        placed = replace(question, place=replace(question.place, thread=ts), ts=ts)
        await anyio.to_thread.run_sync(self.ledger.place, placed)
        return placed

    async def _messages(self, workspace: Workspace, question: Question) -> Sequence[Answer]:
        try:
            return await read_thread(workspace, question.place)
        except SlackRefused as error:
            if error.error in GONE:
                raise
            return ()  # without leave to read, or not in the channel: the question stands for itself

    async def _ended(self, workspace: Workspace, question: Question, messages: Sequence[Answer]) -> bool:
        """End what an attempt before has begun; tell whether there was anything to end."""
        noted = await anyio.to_thread.run_sync(self.threads.replies_to, question.seq)
        known = await anyio.to_thread.run_sync(self.threads.known_replies, question.place)
        begun = noted[-1] if noted else stray(messages, workspace.identity, after=question.ts, known=known)
        if begun is None:
            if question.attempts <= MOST_ATTEMPTS:
                return False
            await self._say(workspace, question, words.GIVEN_UP)
            return True
        before = next((str(one.get("text") or "") for one in messages if one["ts"] == begun), "")
        text = f"{said(before, workspace.identity.bot_user)}\n\n_{words.INTERRUPTED}_".strip()
        await anyio.to_thread.run_sync(self.threads.answered_by, question, begun)
        await end_begun(workspace, question.place.channel, begun, text)
        return True

    async def _answer(self, workspace: Workspace, question: Question, messages: Sequence[Answer]) -> None:
        me = workspace.identity
        thread = await anyio.to_thread.run_sync(self.threads.find, question.place)
        text = said(question.text, me.bot_user)
        persona, text = self.cast.choose(question.place, text, thread.persona if thread else None)
        if question.persona is not None:
            persona = self.cast.find(question.persona) or persona
        if persona is None:
            await self._say(workspace, question, words.NOBODY_HERE)
            return
        kept = replace(thread, persona=persona.id) if thread else Thread(persona.id)
        if question.kind is Kind.MENTION:
            kept = replace(kept, quiet=False)
        await anyio.to_thread.run_sync(self.threads.remember, question.place, kept)
        history = conversation(messages, me, until=question.ts, most=_HISTORY)
        await self._written(workspace, replace(question, text=text), persona, history, kept)

    async def _written(
        self,
        workspace: Workspace,
        question: Question,
        persona: Persona,
        history: Sequence[Mapping[str, str]],
        thread: Thread,
    ) -> None:
        old = await self._old_replies(workspace, question)
        outlet = Outlet(partial(self._begin, workspace, question, old), pause=Streamed.pause)
        thread, troubles = await self._with_files(workspace, question, thread, outlet)
        for trouble in troubles:
            await outlet.write(f"_{trouble}_\n\n")
        if not question.text:
            await outlet.write("" if troubles else words.FILES_READ if question.files else words.NO_FILES)
            await outlet.end(())
        else:
            stores = [thread.store] if thread.store else []
            await self._hold(question)  # calls may be made from here on
            await self.answering.answer(question, persona, history, stores, outlet)
        for ts in old:  # the new answer needs fewer messages
            await _deleted(workspace, question.place.channel, ts)

    async def _old_replies(self, workspace: Workspace, question: Question) -> list[str]:
        """Return the messages that a question was answered with before it was edited."""
        if question.kind is not Kind.EDITED:
            return []
        seq = await anyio.to_thread.run_sync(self.ledger.seq_of, question.place, question.ts)
        if seq is None:
            return []
        old = list(await anyio.to_thread.run_sync(self.threads.replies_to, seq))
        for ts in old[-1:]:  # if the answer was broken off, it still streams
            await stop_stream(workspace, question.place.channel, ts)
        return old

    async def _with_files(
        self, workspace: Workspace, question: Question, thread: Thread, outlet: Outlet
    ) -> tuple[Thread, list[str]]:
        if not question.files or question.kind not in _ASKED_FOR_FILES:
            return thread, []

        async def told(identity: str, name: str, status: str) -> None:
            await outlet.task(blocks.task(f"file-{identity}", f"Reading {name}", status))

        key = self.people.key(question.place.app, question.user)
        return await self.files.add(workspace, question.place, thread, question.files, key, told)

    def _begin(self, workspace: Workspace, question: Question, old: list[str]) -> Growing:
        posted = partial(self._posted, question)
        lost = partial(self._lost, workspace, question)
        if old:
            message: Growing = Edited(workspace, question.place, posted, lost, ts=old.pop(0))
        else:
            message = Streamed(workspace, question.place, question.user, posted, lost)
        return Held(message, partial(self._hold, question))

    async def _hold(self, question: Question) -> None:
        """Make sure that the question is still ours: the process may have stood still past its lease."""
        try:
            ours = await anyio.to_thread.run_sync(self.ledger.renew, question.seq)
        except RepertoryError as error:  # nobody else can write there either
            logger.warning("A lease was not renewed before a call: %s", error.message)
            return
        if not ours:
            raise LeaseLost("The question is no longer this process's.")

    async def _posted(self, question: Question, ts: str) -> None:
        await anyio.to_thread.run_sync(self.threads.answered_by, question, ts)

    async def _lost(self, workspace: Workspace, question: Question) -> str | None:
        """Look for a message that was posted while the connection broke."""
        messages = await read_thread(workspace, question.place)
        known = await anyio.to_thread.run_sync(self.threads.known_replies, question.place)
        return stray(messages, workspace.identity, after=question.ts, known=known)

    async def _say(self, workspace: Workspace, question: Question, sentence: str) -> None:
        """Reply with a sentence of our own."""
        posted, lost = partial(self._posted, question), partial(self._lost, workspace, question)
        message = Edited(workspace, question.place, posted, lost)
        await Held(message, partial(self._hold, question)).end(sentence, (), ())

    async def _tell_apart(self, workspace: Workspace, question: Question) -> None:
        """Tell the asker in a direct message that nothing can be posted where they asked."""
        sentence = f"I cannot speak in <#{question.place.channel}>. Invite me there, and ask me again."
        body = {"channel": question.user, "text": sentence}
        await self._hold(question)
        await workspace.call("chat.postMessage", body, repeat=False)


async def _deleted(workspace: Workspace, channel: str, ts: str) -> None:
    try:
        await workspace.call("chat.delete", {"channel": channel, "ts": ts})
    except SlackRefused as error:
        if error.error != "message_not_found":
            raise
