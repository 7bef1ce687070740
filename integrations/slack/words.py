"""What people are told when there is no answer: never nothing, and never more than helps them."""

from core.errors import RepertoryError, Unavailable
from integrations.slack.server import Refused

INTERRUPTED = "I was restarted in the middle of this answer, so it ends here. Please ask me again."
GIVEN_UP = "I tried to answer this several times and was interrupted each time. Please ask me again later."
NOBODY_HERE = "No persona is set up for this channel. An operator names it under `integrations.slack` in its file."
OUTSIDER = "I answer people of this workspace only."
FILES_READ = "I have read this. Ask me about it in this thread."
NO_FILES = "There is no file in this message."


def failure(error: RepertoryError, persona: str) -> str:
    """Return why there is no answer, in a sentence with a next step."""
    if isinstance(error, Refused):
        if error.status == 429:
            after = f" in {int(error.retry_after)} s" if error.retry_after else " later"
            return f"That is more than I may answer at the moment. Please ask me again{after}."
        if error.code == "model_not_found":
            return f"You may not ask {persona} here. An operator can change that."
        if error.code == "context_length_exceeded":
            return "This thread is too long for me. Please begin a new one."
        if error.status in (401, 403):
            return "The Repertory server does not accept my key. An operator must look at it."
    if isinstance(error, Unavailable) or getattr(error, "status", 0) == 503:
        return "I cannot answer at the moment: the Repertory server is away. Please ask me again in a few minutes."
    return f"Something went wrong while I was answering ({error.code}). Please ask me again."
