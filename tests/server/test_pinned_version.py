"""An evaluator pins an adapter version with a header; nobody else can."""

from typing import Any

import openai
import pytest

from core.principal import Scope
from tests.server.conftest import Gateway

pytestmark = pytest.mark.anyio


async def _ask(gateway: Gateway, model: str, pin: str, key: str) -> Any:
    create: Any = gateway.openai(key).chat.completions.create
    return await create(
        model=model,
        messages=[{"role": "user", "content": "Hello"}],
        extra_headers={"X-Repertory-Adapter-Version": pin},
        extra_body={"repertory": {"include": True}},
    )


async def test_an_evaluator_pins_a_version_and_the_answer_says_so(gateway: Gateway) -> None:
    gateway.engine.models.add("tuned@2")
    key = gateway.secret("evaluator", Scope.CHAT, Scope.ADAPTERS)
    answer = await _ask(gateway, "tuned", "2", key)
    assert answer.model_extra["repertory"]["adapter"] == "tuned@2"
    assert answer.model == "tuned"
    await gateway.ask("tuned", "Hello", key=key)
    assert [asked["model"] for asked in gateway.engine.requests] == ["tuned@2", "tuned@3"]


async def test_what_was_trained_for_a_persona_without_an_adapter_answers_by_its_name(gateway: Gateway) -> None:
    gateway.releases.versions["plain"] = "plain@1"
    gateway.engine.models.add("plain@1")
    key = gateway.secret("evaluator", Scope.CHAT, Scope.ADAPTERS)
    await gateway.ask("plain@1", "Hello", key=key)
    await gateway.ask("plain", "Hello", key=key)
    asked, released = gateway.engine.requests
    assert (asked["model"], released["model"]) == ("plain@1", "base")
    assert asked["messages"][0]["content"].startswith("You are plain.")


async def test_an_evaluator_asks_for_the_prompt_alone(gateway: Gateway) -> None:
    key = gateway.secret("evaluator", Scope.CHAT, Scope.ADAPTERS)
    answer = await _ask(gateway, "tuned", "base", key)
    await _ask(gateway, "plain", "base", key)
    assert answer.model_extra["repertory"]["adapter"] is None
    (first, second) = gateway.engine.requests
    assert (first["model"], second["model"]) == ("base", "base")
    assert first["messages"][0]["content"].startswith("You are tuned.")


@pytest.mark.parametrize("digits", [20, 100])
async def test_a_model_with_a_number_that_no_version_has_is_not_found(gateway: Gateway, digits: int) -> None:
    key = gateway.secret("evaluator", Scope.CHAT, Scope.ADAPTERS)
    for name in ("tuned", "nobody"):
        with pytest.raises(openai.NotFoundError) as missing:
            await gateway.ask(f"{name}@{'9' * digits}", "Hello", key=key)
        assert missing.value.code == "model_not_found"


@pytest.mark.parametrize("key", ["none", "chat"])
async def test_whoever_only_chats_pins_nothing(gateway: Gateway, key: str) -> None:
    secret = gateway.secret("chat", Scope.CHAT) if key == "chat" else key
    with pytest.raises(openai.PermissionDeniedError, match="'adapters'"):
        await _ask(gateway, "tuned", "3", secret)
    assert gateway.engine.requests == []


@pytest.mark.parametrize(
    ("model", "pin", "error", "code"),
    [
        ("tuned", "9", openai.NotFoundError, "adapter_version_not_found"),
        ("tuned", "tuned@2", openai.BadRequestError, "invalid_value"),
        ("tuned", "", openai.BadRequestError, "invalid_value"),
        ("plain", "1", openai.BadRequestError, "no_adapter"),
    ],
)
async def test_what_cannot_be_pinned_is_refused_in_words(
    gateway: Gateway, model: str, pin: str, error: type[openai.APIStatusError], code: str
) -> None:
    with pytest.raises(error) as refused:
        await _ask(gateway, model, pin, gateway.secret("evaluator", Scope.CHAT, Scope.ADAPTERS))
    assert refused.value.code == code
    assert gateway.engine.requests == []
