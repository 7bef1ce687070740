"""The gateway behind a real web server, with the synchronous client."""

from collections.abc import Iterator

import openai
import pytest

from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.server.serving import serving


@pytest.fixture
def served(start: Start) -> Iterator[Gateway]:
    """Serve on a free loopback port until the test ends."""
    with serving(start()) as gateway:
        yield gateway


def test_the_synchronous_client_answers_and_streams(served: Gateway) -> None:
    served.engine.will("Good day.", "Good day.")
    client = openai.OpenAI(api_key="none", base_url=f"{served.base}/v1", max_retries=0)
    with client:
        answer = client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "Hi"}])
        stream = client.chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert answer.choices[0].message.content == text == "Good day."


@pytest.mark.alone
def test_closing_a_stream_frees_the_engine_within_a_second(served: Gateway) -> None:
    served.engine.will(Reply("one two three four five six", hangs_after=4))
    with openai.OpenAI(api_key="none", base_url=f"{served.base}/v1", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        next(iter(stream))
        assert served.engine.hanging.wait(30)
        stream.close()
        assert served.engine.aborted.wait(1)
