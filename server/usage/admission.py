"""One request that was let in, from its reservation to its true figures. Knows no limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from core.errors import Unavailable
from core.principal import Principal
from server.turn.record import TurnRecord
from server.usage.counts import Counts
from server.usage.limit import Standing


class Settles(Protocol):
    """What an admission needs of the meter that gave it."""

    def settle(self, admission: "Admission", counts: Counts) -> None:
        """Put the true figures in the place of what was reserved."""
        ...

    def standings(self, principal: Principal) -> tuple[Standing, ...]:
        """Return where the holder stands now."""
        ...


@dataclass(slots=True)
class Admission:
    """One request that was let in; `finished` or `ended` must be called once, however it ends.

    As an observer of turns it goes along with its own turn.
    """

    meter: Settles
    principal: Principal
    persona: str
    day: str
    prompt: int
    answer: int
    steps: int

    @property
    def reserved(self) -> int:
        """Tokens that are held for it while it runs."""
        return self.prompt * self.steps + self.answer

    def finished(self, record: TurnRecord) -> None:
        """Count a chat turn. What the engine did not get to tell is estimated by what was seen.

        Of a whole answer nothing is seen before its end, so all that was reserved for it counts: leaving early
        must not be cheaper than staying.
        """
        total = record.tokens()
        prompt, completion = total["prompt_tokens"], total["completion_tokens"]
        # An error before the engine's first word is a refusal: it has done nothing that could be counted.
        broken = record.abandoned and record.usage.calls > 0
        broken = broken or (record.error is not None and record.engine_wait is not None)
        if broken:
            seen = len(record.gaps) + (record.first_token is not None) if record.streamed else self.answer
            prompt, completion = max(prompt, self.prompt * record.usage.calls), max(completion, seen)
        self.ended(
            Counts(
                requests=1,
                errors=int(record.error is not None),
                abandoned=int(record.abandoned),
                estimated=int(broken),
                prompt_tokens=prompt,
                completion_tokens=completion,
                cached_tokens=(total.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
            )
        )

    def ended(self, counts: Counts) -> None:
        """Count the request and give back what it reserved too much."""
        self.meter.settle(self, counts)

    @contextmanager
    def embedding(self) -> Iterator[None]:
        """Count what runs in the block as the embedding of the prompt."""
        errors = abandoned = 0
        try:
            yield
        except Exception:
            errors = 1
            raise
        except BaseException:
            abandoned = 1
            raise
        finally:
            tokens = 0 if errors else self.prompt
            self.ended(Counts(requests=1, errors=errors, abandoned=abandoned, prompt_tokens=tokens))

    def standings(self) -> tuple[Standing, ...]:
        """Return where the holder stands now; nothing where that cannot be read: it is only told."""
        try:
            return self.meter.standings(self.principal)
        except Unavailable:
            return ()
