"""A small real HTTP server that behaves like vLLM's OpenAI server, by script.

| behaviour | follows |
|---|---|
| first chunk: role and empty content, alone | `serving.py`, `chat_completion_stream_generator` |
| last content and `finish_reason` in one chunk | the same |
| a call of a tool that `tool_choice` names ends with `stop`, any other with `tool_calls` | the same |
| usage chunk with `choices: []` when `include_usage` | the same, `final_usage_chunk` |
| a failure in mid-stream: an error frame, then `[DONE]` | the same, `create_streaming_error_response` |
| error bodies with an integer `code` | `serve/engine/protocol.py`, `ErrorInfo` |
| too long prompt: 400 "maximum context length" | `renderers/params.py` |
| unknown model: 404 | `OpenAIServingModels.check_model` |
| a closed connection aborts the request | `serve/utils/api_utils.py`, `with_cancellation` |
| handshake and adapter routes | `adapters/plugin/routes.py` |
| log-probabilities for each token, those of tool calls included | `ChatCompletionLogProbs` |
| `prompt_logprobs: 0`: each token's own, nothing for the first | `CompletionResponseChoice.prompt_logprobs` |
| extra nulls in whole answers (`prompt_logprobs`, …) | `ChatCompletionResponse` |
"""

import asyncio
import re
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

BASE = "base"


@dataclass(frozen=True)
class Reply:
    """What the engine does with one request.

    Attributes:
        text: the answer, streamed word by word.
        tool_calls: (name, arguments) pairs, instead of or after the text.
        status: an HTTP error instead of an answer.
        dies_after: break the connection after that many pieces.
        hangs_after: fall silent after that many pieces, until the client leaves.
        error_after: send vLLM's error frame after that many pieces.
        pause: seconds before each piece.
    """

    text: str = "Hello from the engine."
    tool_calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    status: int = 200
    message: str = ""
    dies_after: int | None = None
    hangs_after: int | None = None
    error_after: int | None = None
    pause: float = 0.0


class Died(Exception):
    """Makes uvicorn break the connection off."""


@dataclass
class FakePlugin:
    """The plug-in inside a fake engine.

    Attributes:
        operators: what its one worker multiplies with.
        version: of its routes.
        registered: engine names that its resolver serves.
        resident: what is in memory → whether it is pinned.
        candidates: model → the first token's log-probabilities.
        held: engine names whose loading waits until the event is set.
        waiting: set once a loading waits.
        refuses: whether the caller's key is wrong.
        drift: what each further answer differs from the one before, in nats.
        probes: models that were asked for log-probabilities, in order.
    """

    operators: str = "GroupedPunicaWrapper"
    version: str = "1"
    registered: set[str] = field(default_factory=set)
    resident: dict[str, bool] = field(default_factory=dict)
    candidates: dict[str, dict[str, float]] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    waiting: threading.Event = field(default_factory=threading.Event)
    refuses: bool = False
    drift: float = 0.0
    probes: list[str] = field(default_factory=list)

    def handshake(self) -> dict[str, Any]:
        worker = {"operators": self.operators, "slots": [], "resident": [], "pinned": []}
        told = {"plugin": self.version, "vllm": "0.32.0", "device": "cpu", "resolver": True, "lora": True}
        limits = {"max_loras": 4, "max_cpu_loras": 16, "max_lora_rank": 16, "max_model_len": 4096}
        return told | limits | {"adapters_dir": "", "workers": [worker]}

    def logprobs(self, model: str) -> dict[str, Any]:
        self.probes.append(model)
        shift = self.drift * len(self.probes)
        found = self.candidates.get(model, {"Hello": -0.1, "I": -3.0})
        return {"content": [{"top_logprobs": [{"token": t, "logprob": p - shift} for t, p in found.items()]}]}


@dataclass
class FakeEngine:
    """The state of a running fake: its script, what answers once that is through, and what it was asked."""

    url: str
    models: set[str] = field(default_factory=lambda: {BASE})
    script: deque[Reply] = field(default_factory=deque)
    model: Callable[[dict[str, Any]], Reply] = lambda _: Reply()
    requests: list[dict[str, Any]] = field(default_factory=list)
    traceparents: list[str | None] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)
    healthy: bool = True
    tokens: int = 0
    plugin: FakePlugin | None = None

    def will(self, *replies: Reply | str) -> None:
        """Answer the next requests with these."""
        self.script.extend(Reply(text=one) if isinstance(one, str) else one for one in replies)

    async def chat(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        self.requests.append(body)
        self.traceparents.append(request.headers.get("traceparent"))
        self.authorizations.append(request.headers.get("authorization"))
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist.")
        reply = self.script.popleft() if self.script else self.model(body)
        if reply.status != 200:
            return _error(reply.status, reply.message)
        if body.get("stream"):
            return _Streamed(self._events(body, reply), self)
        if reply.hangs_after is not None:
            await self._hang(request)
        if reply.dies_after is not None:
            raise Died
        whole = _whole(body, reply)
        if self.plugin is not None and body.get("logprobs"):
            whole["choices"][0]["logprobs"] = self.plugin.logprobs(body["model"])
        return JSONResponse(whole)

    async def completions(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        self.requests.append(body)
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist.")
        words = str(body["prompt"]).split()
        told = [None, *({str(len(word)): {"logprob": -float(len(word)), "rank": 1}} for word in words[1:])]
        return JSONResponse({"choices": [{"index": 0, "text": "", "prompt_logprobs": told}]})

    async def health(self, request: Request) -> Response:
        return Response(status_code=200 if self.healthy else 503)

    async def list_models(self, request: Request) -> Response:
        return JSONResponse({"data": [{"id": BASE, "parent": None}]})

    async def handshake(self, request: Request) -> Response:
        if self.plugin is None:
            return JSONResponse({"detail": "Not Found"}, status_code=404)
        if self.plugin.refuses:
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        return JSONResponse(self.plugin.handshake())

    async def metrics(self, request: Request) -> Response:
        told = f'vllm:generation_tokens_total{{model_name="base"}} {self.tokens}.0\n'
        return Response(f"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 0.0\n{told}")

    async def list_adapters(self, request: Request) -> Response:
        resident = self.plugin.resident if self.plugin else {}
        shown = [
            {"name": name, "id": number, "slot": 0 if number == 1 else None, "pinned": pinned}
            for number, (name, pinned) in enumerate(resident.items(), start=1)
        ]
        return JSONResponse({"adapters": shown})

    async def adapters(self, request: Request) -> Response:
        assert self.plugin is not None
        name, resident = request.path_params["name"], self.plugin.resident
        if request.method == "DELETE":
            return JSONResponse({"removed": resident.pop(name, None) is not None})
        if name not in self.plugin.registered:
            return _error(404, f"The model `{name}` does not exist.")
        if (gate := self.plugin.held.get(name)) is not None:
            self.plugin.waiting.set()
            await asyncio.to_thread(gate.wait, 30)
        resident.setdefault(name, False)
        self.models.add(name)
        return JSONResponse({"name": name})

    async def pin(self, request: Request) -> Response:
        assert self.plugin is not None
        name = request.path_params["name"]
        if name not in self.plugin.resident:
            return _error(404, f"No adapter {name!r} is loaded.")
        self.plugin.resident[name] = request.method == "POST"
        return JSONResponse({"name": name})

    async def tokenize(self, request: Request) -> Response:
        return JSONResponse({"count": _prompt_tokens(orjson.loads(await request.body()))})

    async def _hang(self, request: Request) -> None:
        self.hanging.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.aborted.set()

    async def _events(self, body: dict[str, Any], reply: Reply) -> AsyncIterator[bytes]:
        count = body.get("n", 1)
        for index in range(count):
            yield _chunk([_choice(index, {"role": "assistant", "content": ""})])
        parts = pieces(reply.text)
        for number, piece in enumerate(parts):
            if reply.dies_after == number:
                raise Died
            if reply.error_after == number:
                error = {"message": "boom", "type": "InternalServerError", "param": None, "code": 500}
                yield b"data: " + orjson.dumps({"error": error}) + b"\n\n"
                yield b"data: [DONE]\n\n"
                return
            if reply.hangs_after == number:
                self.hanging.set()
                await asyncio.Event().wait()
            if reply.pause:
                await asyncio.sleep(reply.pause)
            self.tokens += count
            last = number == len(parts) - 1 and not reply.tool_calls
            for index in range(count):
                chosen = _choice(index, {"content": piece}, reply.finish if last else None)
                yield _chunk([chosen | {"logprobs": _logprobs(body, [piece])}])
        for number, (name, arguments) in enumerate(reply.tool_calls):
            half = len(arguments) // 2
            head = {"name": name, "arguments": arguments[:half]}
            start = {"index": number, "id": f"call-{number}", "type": "function", "function": head}
            rest = {"index": number, "function": {"arguments": arguments[half:]}}
            yield _chunk([_choice(0, {"tool_calls": [start]}) | {"logprobs": _logprobs(body, [name])}])
            yield _chunk([_choice(0, {"tool_calls": [rest]}) | {"logprobs": _logprobs(body, [arguments])}])
        if reply.tool_calls or not parts:
            yield _chunk([_choice(0, {}, _finish(body, reply))])
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _chunk([], usage=_usage(body, reply))
        yield b"data: [DONE]\n\n"


class _Streamed(Response):
    """Streams events and notices when the client leaves, as vLLM does."""

    def __init__(self, events: AsyncIterator[bytes], engine: FakeEngine) -> None:
        super().__init__()
        self._events = events
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if sending.done():
            sending.result()
            return
        sending.cancel()
        self._engine.aborted.set()

    async def _send_all(self, send: Send) -> None:
        async for event in self._events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def pieces(text: str) -> list[str]:
    """Return the text in the pieces that are streamed, and count as tokens."""
    return re.findall(r"\s*\S{1,4}|\s+$", text)


def _prompt_tokens(body: dict[str, Any]) -> int:
    return sum(len(str(message.get("content") or "").split()) for message in body["messages"])


def _usage(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    prompt, completion = _prompt_tokens(body), len(pieces(reply.text)) + len(reply.tool_calls)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _logprobs(body: dict[str, Any], tokens: list[str]) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    given = [{"token": token, "logprob": -0.5, "bytes": list(token.encode())} for token in tokens]
    return {"content": [one | {"top_logprobs": [one] if body.get("top_logprobs") else []} for one in given]}


def _finish(body: dict[str, Any], reply: Reply) -> str:
    return "tool_calls" if reply.tool_calls and not isinstance(body.get("tool_choice"), dict) else reply.finish


def _choice(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return choice | ({"stop_reason": None, "token_ids": None} if finish else {})


def _chunk(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    body = {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up",
        "choices": choices,
    }
    return b"data: " + orjson.dumps(body | ({"usage": usage} if usage else {})) + b"\n\n"


def _whole(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    message |= {"annotations": None, "audio": None, "function_call": None, "reasoning": None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": f"call-{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for number, (name, arguments) in enumerate(reply.tool_calls)
        ]
    finish = _finish(body, reply)
    choices = [
        {
            "index": index,
            "message": message,
            "logprobs": _logprobs(body, pieces(reply.text)),
            "finish_reason": finish,
            "stop_reason": None,
        }
        for index in range(body.get("n", 1))
    ]
    answer = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1, "model": body["model"]}
    extra = {"prompt_logprobs": None, "prompt_token_ids": None, "kv_transfer_params": None}
    return answer | extra | {"choices": choices, "usage": _usage(body, reply)}


def _error(status: int, message: str) -> Response:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
    return JSONResponse({"error": error}, status_code=status)


def application(engine: FakeEngine) -> Starlette:
    """Return the routes of an engine."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", engine.chat, methods=["POST"]),
            Route("/v1/completions", engine.completions, methods=["POST"]),
            Route("/tokenize", engine.tokenize, methods=["POST"]),
            Route("/health", engine.health),
            Route("/v1/models", engine.list_models),
            Route("/v1/repertory/handshake", engine.handshake),
            Route("/metrics", engine.metrics),
            Route("/v1/repertory/adapters", engine.list_adapters),
            Route("/v1/repertory/adapters/{name}", engine.adapters, methods=["POST", "DELETE"]),
            Route("/v1/repertory/adapters/{name}/pin", engine.pin, methods=["POST", "DELETE"]),
        ]
    )


@contextmanager
def running_engine() -> Iterator[FakeEngine]:
    """Run a fake engine on a free loopback port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    engine = FakeEngine(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(application(engine), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
