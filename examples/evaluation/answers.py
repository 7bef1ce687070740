"""Answers of served personas over HTTP, kept on disk so that a broken run goes on where it was.

Owns requests, concurrency and the file of answers; must never know what a right answer is.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx

from examples.evaluation.shots import Turn

_MAX_TOKENS = 60


@dataclass
class AnswerFile:
    """Answers by persona, state of that persona, and question; one JSON line each."""

    path: Path
    known: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def load(self) -> None:
        """Read what an earlier run left; a torn last line is skipped."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            self.known[row["persona"], row["state"], row["question"]] = row["answer"]

    def add(self, persona: str, state: str, question: str, answer: str) -> None:
        """Keep one answer, at once."""
        self.known[persona, state, question] = answer
        row = {"persona": persona, "state": state, "question": question, "answer": answer}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


class Asker:
    """Asks personas of one server.

    Args:
        client: bound to the server's address, with its key if it wants one.
        file: what is known already.
        concurrency: requests at a time.
    """

    def __init__(self, client: httpx.AsyncClient, file: AnswerFile, *, concurrency: int = 8) -> None:
        self._client = client
        self._file = file
        self._slots = asyncio.Semaphore(concurrency)

    async def ask(
        self,
        persona: str,
        questions: Sequence[str],
        before: Sequence[Turn] = (),
        progress: Callable[[], None] = lambda: None,
    ) -> list[str]:
        """Return the answers of `persona` to `questions`, in their order, each asked after the turns `before`.

        The first question is always asked: its answer names the persona's revision and adapter version,
        and only answers of this very state are taken from the file.

        Raises:
            httpx.HTTPStatusError: the server refused; its sentence is part of the message.
        """
        first, state = await self._request(persona, before, questions[0])
        self._file.add(persona, state, questions[0], first)
        progress()

        async def one(question: str) -> str:
            kept = self._file.known.get((persona, state, question))
            if kept is None:
                async with self._slots:
                    kept, _ = await self._request(persona, before, question)
                self._file.add(persona, state, question, kept)
            progress()
            return kept

        return [first, *await asyncio.gather(*(one(question) for question in questions[1:]))]

    async def _request(self, persona: str, before: Sequence[Turn], question: str) -> tuple[str, str]:
        body = {
            "model": persona,
            "messages": [*before, {"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": _MAX_TOKENS,
            "repertory": {"include": True},
        }
        response = await self._client.post("/v1/chat/completions", json=body)
        if response.is_error:
            raise httpx.HTTPStatusError(
                f"{persona!r} answered {response.status_code}: {response.text}",
                request=response.request,
                response=response,
            )
        answer = response.json()
        return answer["choices"][0]["message"]["content"] or "", _state(answer.get("repertory") or {}, before)


def _state(block: Mapping[str, object], before: Sequence[Turn]) -> str:
    told = sha256(json.dumps(before).encode()).hexdigest()[:16] if before else None
    return json.dumps([block.get("persona"), block.get("adapter"), told], sort_keys=True)
