"""Rows that teach `scrum-coach` board lines, answers from passages and guided calls.

Owns how phrases become rows; must never know where rows are stored.
"""

import json
from collections.abc import Mapping, Sequence
from random import Random

from examples.datasets.phrases import ActionRequest, CoachPhrases, Fact, Note, Split
from examples.datasets.prompts import (
    Message,
    PassageText,
    Row,
    Values,
    arguments,
    called,
    decision,
    with_passages,
)

_NOT_KNOWN = "I found nothing about this in the handbook; please ask your team lead."
_STATES = ("open", "in_progress", "done")
_PRIORITIES = ("low", "medium", "high")


class CoachRows:
    """Makes rows of one split; the same seed gives the same rows."""

    def __init__(
        self, phrases: CoachPhrases, system: Message, actions: Sequence[str], split: Split, random: Random
    ) -> None:
        self._phrases = phrases
        self._actions = actions
        self._system = system
        self._split = split
        self._random = random
        self._seen: set[str] = set()

    def notes(self, count: int) -> list[Row]:
        """Return `count` notes with their board lines, spread evenly over the types."""
        types = list(self._phrases.types)
        rows = []
        for number in range(count):
            question, line = self._note(types[number % len(types)], number // len(types))
            rows.append(self._chat(question, self._sometimes_distracted(), line))
        return rows

    def answers(self, count: int) -> list[Row]:
        """Return `count` questions; the answer stands in a passage and is cited."""
        rows = []
        for number in range(count):
            fact = self._phrases.facts[number % len(self._phrases.facts)]
            passages, answer = self._cited(fact)
            rows.append(self._chat(self._random.choice(fact.questions), passages, answer))
        return rows

    def unknown(self) -> list[Row]:
        """Return questions that the handbook does not answer, and the honest reply."""
        return [self._chat(question, [], _NOT_KNOWN) for question in self._phrases.unknown]

    def decisions(self, count: int) -> list[Row]:
        """Return `count` chats that need no action."""
        rows = []
        types = list(self._phrases.types)
        for number in range(count):
            if number % 6 == 0:
                user = with_passages(self._random.choice(self._phrases.smalltalk).said, [])
            elif number % 3:
                question, _ = self._note(types[number % len(types)], number)
                user = with_passages(question, self._sometimes_distracted())
            else:
                fact = self._random.choice(self._phrases.facts)
                user = with_passages(self._random.choice(fact.questions), self._cited(fact)[0])
            rows.append(Row(messages=[self._system, user, *decision(self._actions, "none")]))
        return rows

    def smalltalk(self) -> list[Row]:
        """Return a chat for each thing that people say beside the work."""
        return [self._chat(each.said, [], each.reply) for each in self._phrases.smalltalk]

    def choices(self, count: int) -> list[Row]:
        """Return `count` requests with the decision for an action alone.

        A decision is one token of many in a row, so that it takes rows of its own to be learnt.
        """
        rows = []
        for number in range(count):
            action, question, _ = self._request(number)
            user = with_passages(question, self._sometimes_distracted())
            rows.append(Row(messages=[self._system, user, *decision(self._actions, action)]))
        return rows

    def calls(self, count: int) -> list[Row]:
        """Return `count` requests with the decision for an action and its arguments."""
        rows = []
        for number in range(count):
            action, question, values = self._request(number)
            user = with_passages(question, self._sometimes_distracted())
            steps = [*decision(self._actions, action), *arguments(action, values)]
            rows.append(Row(messages=[self._system, user, *steps]))
        return rows

    def results(self, count: int) -> list[Row]:
        """Return `count` requests with the result of their action: what to say, or that no more is needed."""
        rows = []
        for number in range(count):
            action, question, values = self._request(number)
            text, answer = self._outcome(action, values)
            user = with_passages(question, self._sometimes_distracted())
            reply: Message = {"role": "assistant", "content": answer}
            last = decision(self._actions, "none") if number % 4 == 3 else [reply]
            rows.append(Row(messages=[self._system, user, *called(action, values, text), *last]))
        return rows

    def _chat(self, question: str, passages: list[PassageText], answer: str) -> Row:
        reply: Message = {"role": "assistant", "content": answer}
        return {"messages": [self._system, with_passages(question, passages), reply]}

    def _note(self, kind: str, turn: int) -> tuple[str, str]:
        templates = self._phrases.types[kind].of(self._split)
        for attempt in range(1000):
            question, line = self._fill_note(kind, templates[(turn + attempt) % len(templates)])
            if question not in self._seen:
                self._seen.add(question)
                return question, line
        raise ValueError(f"Too few phrases for {kind!r} in {self._split!r}: add templates or names.")

    def _fill_note(self, kind: str, template: Note) -> tuple[str, str]:
        acting, other = self._random.sample(self._phrases.people.of(self._split), 2)
        values = {
            "a": acting,
            "b": other,
            "t": self._random.choice(self._phrases.things.of(self._split)),
            "e": self._random.choice(self._phrases.events.of(self._split)),
        }
        opening = self._random.choice(self._phrases.openings.of(self._split))
        owner = template.owner.format(**values)
        line = f"{kind} | Owner: {owner} | {template.summary.format(**values)}"
        return opening + template.note.format(**values), line

    def _sometimes_distracted(self) -> list[PassageText]:
        if self._split != "train" or self._random.random() > 0.3:
            return []
        return [self._fill(self._random.choice(self._phrases.facts))[0]]

    def _cited(self, fact: Fact) -> tuple[list[PassageText], str]:
        passage, answer = self._fill(fact)
        passages = [passage]
        if self._random.random() < 0.4:
            other = self._random.choice([each for each in self._phrases.facts if each is not fact])
            passages.insert(self._random.randrange(2), self._fill(other)[0])
        return passages, f"{answer} [{passages.index(passage) + 1}]."

    def _fill(self, fact: Fact) -> tuple[PassageText, str]:
        low, high = sorted(self._random.sample(range(2, 90), 2))
        text = fact.text.format(n=low, m=high)
        passage = PassageText(title=fact.title, heading=fact.heading, text=text)
        return passage, fact.answer.format(n=low, m=high)

    def _request(self, number: int) -> tuple[str, str, Values]:
        actions = list(self._phrases.actions)
        action = actions[number % len(actions)]
        templates = self._phrases.actions[action]
        template = templates[number // len(actions) % len(templates)]
        thing = self._random.choice(self._phrases.things.train)
        ticket = self._random.randrange(1, 240)
        question = template.request.format(t=thing, i=ticket)
        return action, question, _arguments(template, thing) or {"ticket_id": ticket}

    def _outcome(self, action: str, values: Values) -> tuple[str, str]:
        """Return what the tracker sends back for a call, and the answer to give."""
        if action == "search_tickets":
            tickets = [self._ticket(values) for _ in range(self._random.choice((0, 1, 1, 2, 3)))]
            answer = " ".join(_told(ticket) for ticket in tickets[:2])
            return _json({"tickets": tickets}), answer or f"I found no ticket about the {values['query']}."
        ticket = self._ticket(values)
        text = {"description": f"{ticket['title']}.", "created_at": "2026-03-02T08:14:00+00:00"}
        if action == "get_ticket":
            return _json(ticket | text), _told(ticket)
        ticket |= {"status": "open", "assignee": None}
        answer = f"I filed ticket {ticket['id']}: {ticket['title']}, priority {ticket['priority']}."
        return _json(ticket | text), answer

    def _ticket(self, values: Values) -> dict[str, object]:
        thing = values.get("query") or self._random.choice(self._phrases.things.train)
        title = str(values.get("title") or self._random.choice(self._phrases.titles).format(t=thing))
        return {
            "id": values.get("ticket_id", self._random.randrange(20, 240)),
            "title": title[0].upper() + title[1:],
            "status": values.get("status", self._random.choice(_STATES)),
            "priority": values.get("priority", self._random.choice(_PRIORITIES)),
            "assignee": self._random.choice([*self._phrases.people.train, None]),
        }


def _told(ticket: Mapping[str, object]) -> str:
    state = str(ticket["status"]).replace("_", " ")
    owner = f"belongs to {ticket['assignee']}" if ticket["assignee"] else "has no owner"
    return f"Ticket {ticket['id']}, {ticket['title']}, is {state} and {owner}."


def _arguments(template: ActionRequest, thing: str) -> Values:
    values = template.model_dump(exclude={"request"}, exclude_none=True)
    return {name: str(value).format(t=thing) for name, value in values.items()}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
