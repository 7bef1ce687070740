"""Adding up the engine calls of one turn and their tokens."""

from server.engine_port import Usage


class UsageSum:
    """Engine calls and tokens of the turn so far."""

    def __init__(self) -> None:
        self.calls = 0
        self._prompt = 0
        self._completion = 0
        self._cached = 0

    def started(self) -> None:
        """Count an engine call; its tokens come at its end."""
        self.calls += 1

    def add(self, usage: Usage | None) -> None:
        """Add the tokens of one engine call."""
        if usage is None:
            return
        self._prompt += usage["prompt_tokens"]
        self._completion += usage["completion_tokens"]
        self._cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0

    def total(self) -> Usage:
        """Return the sum in OpenAI's shape."""
        return Usage(
            prompt_tokens=self._prompt,
            completion_tokens=self._completion,
            total_tokens=self._prompt + self._completion,
            prompt_tokens_details={"cached_tokens": self._cached},
        )
