"""Every metric of `/metrics`: its name, kind, labels and meaning. `docs/observability.md` shows the same list.

Names and bounds follow vLLM where it measures the same thing, so that one dashboard can show both.
"""

from dataclasses import dataclass
from typing import Literal

PREFIX = "repertory:"
BASE = "base"
"""Value of `adapter` where the base model answered; no version is named so, since those contain `@`."""

_LATENCY = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
)  # fmt: skip
_TOKEN_GAP = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_STEP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45)


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric. Compared by identity, since it is a key on the road of each turn."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _turn(name: str, help_text: str, *labels: str, buckets: tuple[float, ...] = ()) -> Family:
    kind: Literal["counter", "histogram"] = "histogram" if buckets else "counter"
    return Family(PREFIX + name, kind, help_text, ("persona", "adapter", *labels), buckets)


SUCCESS = _turn("request_success_total", "Turns that ended well.", "finished_reason")
FAILURE = _turn("request_failure_total", "Turns that ended with an error.", "code")
ABORTED = _turn("request_aborted_total", "Turns whose client left before the end.")
ENGINE_CALLS = _turn("engine_calls_total", "Calls to the engine; a turn with actions makes several.")
PROMPT_TOKENS = _turn("prompt_tokens_total", "Prompt tokens over all engine calls.")
CACHED_TOKENS = _turn("prompt_tokens_cached_total", "Prompt tokens that the engine's prefix cache already had.")
GENERATION_TOKENS = _turn("generation_tokens_total", "Generated tokens over all engine calls.")
FIRST_TOKEN = _turn(
    "time_to_first_token_seconds",
    "From the turn's start, retrieval and actions included, to the first text; streamed turns.",
    buckets=_FIRST_TOKEN,
)
TOKEN_GAP = _turn(
    "inter_token_latency_seconds",
    "Between two frames of text from the engine, usually a token each; streamed turns.",
    buckets=_TOKEN_GAP,
)
LATENCY = _turn("e2e_request_latency_seconds", "Whole turns that ended well.", buckets=_LATENCY)
ENGINE_WAIT = _turn(
    "engine_wait_seconds",
    "From the last request to the engine until its first frame: its queue and prefill; streamed turns.",
    buckets=_FIRST_TOKEN,
)
RETRIEVAL = _turn("retrieval_seconds", "Searches for passages.", "outcome", buckets=_STEP)
ACTION = _turn("action_seconds", "Action calls that were sent.", "operation", "state", buckets=_STEP)
ARM_TURNS = _turn("rollout_turns_total", "Turns in a rollout, by arm and how they ended.", "arm", "result")
ARM_LATENCY = _turn("rollout_turn_seconds", "Whole turns in a rollout that ended well.", "arm", buckets=_LATENCY)

TURNS = (
    SUCCESS, FAILURE, ABORTED, ENGINE_CALLS, PROMPT_TOKENS, CACHED_TOKENS, GENERATION_TOKENS,
    FIRST_TOKEN, TOKEN_GAP, LATENCY, ENGINE_WAIT, RETRIEVAL, ACTION, ARM_TURNS, ARM_LATENCY,
)  # fmt: skip

RESPONSES = Family(
    PREFIX + "http_responses_total", "counter", "Responses by route template.", ("method", "route", "status")
)
ERRORS = Family(PREFIX + "http_errors_total", "counter", "Errors that clients were told.", ("code",))
RUNNING = Family(PREFIX + "num_requests_running", "gauge", "Chat turns under way.")
READY = Family(PREFIX + "ready", "gauge", "Whether personas answer, as /readyz says.")
NOT_READY = Family(PREFIX + "not_ready", "gauge", "Why personas do not answer: 1 where it holds.", ("reason",))
PERSONAS = Family(PREFIX + "personas", "gauge", "Personas that serve.")
PROBLEMS = Family(PREFIX + "persona_problems", "gauge", "Problems in persona files; the last good set serves.")
STORES = Family(PREFIX + "knowledge_stores", "gauge", "Folders of knowledge that are not read.", ("state",))
ENGINE_UP = Family(PREFIX + "engine_up", "gauge", "Whether the engine takes requests.")
ENGINE_RESTARTS = Family(
    PREFIX + "engine_restarts_total", "counter", "Times that the engine was lost and is brought up again."
)
RESIDENT = Family(
    PREFIX + "adapter_resident",
    "gauge",
    "Adapter versions in an engine: in a slot of the batch, or in memory only.",
    ("engine", "adapter", "level", "pinned"),
)
LEFT_ALONE = Family(
    PREFIX + "action_host_left_alone", "gauge", "Hosts of actions: 1 while one is left alone because it failed.",
    ("host",),
)  # fmt: skip
STATE = (
    RESPONSES, ERRORS, RUNNING, READY, NOT_READY, PERSONAS, PROBLEMS, STORES,
    ENGINE_UP, ENGINE_RESTARTS, RESIDENT, LEFT_ALONE,
)  # fmt: skip

FAMILIES = TURNS + STATE
