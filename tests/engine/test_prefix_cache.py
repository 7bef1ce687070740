"""The engine reads a prompt once for all who may read the same documents, and again for everybody else."""

import httpx

from tests.engine.server import RunningServer


def _cached(server: RunningServer, persona: str, *messages: tuple[str, str]) -> int:
    body = {
        "model": persona,
        "messages": [{"role": role, "content": text} for role, text in messages],
        "max_tokens": 1,
        "temperature": 0,
    }
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"])


def test_prompts_with_passages_are_cached_for_their_access_group_alone(server: RunningServer) -> None:
    question = ("user", "How many days do I have to send goods back?")
    assert _cached(server, "reader", question) == 0
    assert _cached(server, "reader-too", question) > 0
    assert _cached(server, "reader-elsewhere", question) == 0


def test_a_second_turn_does_not_read_the_instructions_again(server: RunningServer) -> None:
    asked = ("user", "My parcel is late. When does it count as lost?")
    _cached(server, "reader", asked)
    assert _cached(server, "reader", asked, ("assistant", "After ten days."), ("user", "And then?")) > 200
