"""`llm`, the command line and its library, with personas named in `extra-openai-models.yaml`."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import llm
import pytest
from click.testing import CliRunner
from llm.cli import cli

MODELS = """\
- model_id: {name}
  model_name: {name}
  api_base: {url}
  api_key_name: repertory
  supports_schema: true
  supports_tools: true
"""


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    personas = ("plain", "librarian", "guided", "native")
    text = "".join(MODELS.format(name=name, url=url) for name in personas)
    (tmp_path / "extra-openai-models.yaml").write_text(text)
    (tmp_path / "keys.json").write_text(json.dumps({"repertory": key}))


def said(*arguments: str) -> str:
    """Return what the command prints, run within this process: its start takes seconds."""
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_streams_an_answer() -> None:
    command = [sys.executable, "-m", "llm", "-n", "-m", "plain", "Hi there"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("You said: Hi there\n", 0), done.stderr


def test_the_command_waits_for_a_whole_answer() -> None:
    assert said("-n", "-m", "librarian", "--no-stream", "Hi there") == "You said: Hi there\n"


def test_the_command_goes_on_with_a_conversation_that_it_logged() -> None:
    said("-m", "plain", "Hi there")
    assert said("-c", "And you?") == "You said: And you?\n"


def test_the_command_asks_for_a_schema() -> None:
    told = said(
        "-n", "-m", "plain", "--schema", "title, pages int", "The book is called 'Dune' and has 412 pages."
    )
    assert json.loads(told) == {"title": "Dune", "pages": 412}


@pytest.mark.parametrize("persona", ["plain", "guided", "native"])
def test_the_command_runs_a_tool_and_tells_its_result(persona: str) -> None:
    code = "def get_weather(place: str) -> str:\n    return place + ' is sunny'\n"
    told = said("-n", "-m", persona, "--functions", code, "How is the weather in 'Oslo'?")
    assert told.endswith("The result is Oslo is sunny\n")


def test_the_library_counts_what_the_server_counts() -> None:
    response = llm.get_model("plain").prompt("Hi there", stream=False)
    streamed = llm.get_model("plain").prompt("Hi there", stream=True)
    assert response.text() == streamed.text() == "You said: Hi there"
    assert response.usage() == streamed.usage()
    assert response.usage().input


async def test_the_library_waits_asynchronously() -> None:
    response = llm.get_async_model("native").prompt("Hi there")
    assert await response.text() == "You said: Hi there"


def test_a_refusal_is_told_in_the_servers_words() -> None:
    with pytest.raises(Exception, match="Invalid value for 'max_tokens'"):
        llm.get_model("plain").prompt("Hi there", max_tokens=0).text()


def test_the_documented_example_runs(documented: Callable[[str], str], tmp_path: Path) -> None:
    models = documented("llm-models") + "  api_key_name: repertory\n"
    (tmp_path / "extra-openai-models.yaml").write_text(models)
    program, *arguments = shlex.split(documented("llm"))
    assert program == "llm"
    assert said(*arguments) == "You said: When is the status report due?\n"
