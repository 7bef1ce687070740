"""The gateway behind a real web server, with the synchronous client."""

import socket
import threading
from collections.abc import Iterator

import anyio
import openai
import pytest
import uvicorn

from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start


@pytest.fixture
def served(start: Start) -> Iterator[Gateway]:
    """Serve on a free loopback port until the test ends."""
    ready, stop = threading.Event(), threading.Event()
    running: list[Gateway] = []

    async def serve() -> None:
        async with start() as gateway:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                gateway.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
                config = uvicorn.Config(gateway.app, log_level="critical", lifespan="off", ws="none")
                server = uvicorn.Server(config)
                async with anyio.create_task_group() as group:
                    group.start_soon(server.serve, [listener])
                    running.append(gateway)
                    ready.set()
                    await anyio.to_thread.run_sync(stop.wait)
                    server.should_exit = True

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    assert ready.wait(20)
    yield running[0]
    stop.set()
    thread.join(10)


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


def test_closing_a_stream_frees_the_engine_within_a_second(served: Gateway) -> None:
    served.engine.will(Reply("one two three four five six", hangs_after=4))
    with openai.OpenAI(api_key="none", base_url=f"{served.base}/v1", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        next(iter(stream))
        assert served.engine.hanging.wait(5)
        stream.close()
        assert served.engine.aborted.wait(1)
