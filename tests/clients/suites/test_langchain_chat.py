"""LangChain's published suites for chat models, against a persona of each kind."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langchain_tests.conftest import base_vcr_config
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests.chat_models import ChatModelTests

URL, KEY = f"{os.environ['REPERTORY_URL']}/v1", os.environ["REPERTORY_KEY"]
PAGE = Path(os.environ["REPERTORY_DOCUMENT"])
_FLAG = re.compile(r"(has|supports|returns|enable)_")
_ROW = re.compile(r"^\| `(\w+)` \| (on|off) \|", re.MULTILINE)
LONG = "Much text, most of which the engine finds in its cache. " * 40


@pytest.fixture(scope="session")
def vcr_config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Record, anew each time, where the suite wants to: the test then asks the server and no recording."""
    config: dict[str, Any] = base_vcr_config()
    return config | {"record_mode": "all", "cassette_library_dir": str(tmp_path_factory.mktemp("vcr"))}


class Persona(ChatModelIntegrationTests):
    """What every persona can do; what stays off needs a base model that sees or hears."""

    persona = ""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": self.persona,
            "base_url": URL,
            "api_key": KEY,
            "use_responses_api": False,
            "stream_usage": True,  # off by itself where the address is not OpenAI's
        }

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def enable_vcr_tests(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "tuned"

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[str]]:
        return {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatOpenAI(**self.chat_model_params)
        messages = [SystemMessage(LONG), HumanMessage("Hello")]
        model.invoke(messages)
        if not stream:
            return model.invoke(messages)
        first, *rest = model.stream(messages)
        for chunk in rest:
            first += chunk
        return first


class TestPlainPersona(Persona):
    persona = "plain"


class TestPersonaWithKnowledge(Persona):
    persona = "librarian"


class TestPersonaWithGuidedActions(Persona):
    persona = "guided"


class TestPersonaWithNativeActions(Persona):
    persona = "native"


def test_the_documented_example_runs(documented: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(documented("langchain"), "clients.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.count("You said: When is the status report due?") == 2


def test_the_documented_flags_are_those_of_the_suite_and_all_of_them() -> None:
    flags = {name for name in dir(ChatModelTests) if _FLAG.match(name)}
    on = {name: "on" if getattr(TestPlainPersona(), name) else "off" for name in flags}
    assert dict(_ROW.findall(PAGE.read_text(encoding="utf-8"))) == on
