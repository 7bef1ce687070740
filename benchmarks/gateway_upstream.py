"""A simulated vLLM: 20 ms to the first token, 10 ms between tokens, in vLLM's frames, on next to no CPU.

Run as `python -m benchmarks.gateway_upstream`; it prints its port. Frames are written ahead of time, one
timer a token sends them at their appointed times, and each sending is noted, so that the load generator can
tell how long a token was under way. Knows HTTP just well enough for the clients that it is measured with.
"""

import asyncio
import gc
import json
import re
import time
from collections.abc import Callable
from typing import cast

import uvloop

FIRST_SECONDS = 0.020
GAP_SECONDS = 0.010
ANSWER = (
    "You can send a parcel back within thirty days of the delivery . Write your order number on the slip , "
    "and the money is on your account after a week ."
)
TOKENS = tuple(" " + word for word in ANSWER.split())
"""What every answer says: 32 pieces."""

_NUMBER = re.compile(rb"question (\d+)")
_HEAD = b"HTTP/1.1 %s\r\nserver: uvicorn\r\ncontent-type: %s\r\n"
_STREAM_HEAD = _HEAD % (b"200 OK", b"text/event-stream; charset=utf-8") + b"transfer-encoding: chunked\r\n\r\n"
_USAGE = {"prompt_tokens": 24, "total_tokens": 24 + len(TOKENS), "completion_tokens": len(TOKENS)}


def _chunk(choices: list[object], **more: object) -> bytes:
    frame = {"id": "chatcmpl-9f0c2d7e41b84f6d", "object": "chat.completion.chunk", "created": 1_800_000_000}
    event = (
        b"data: %s\n\n"
        % json.dumps({**frame, "model": "base", "choices": choices, **more}, separators=(",", ":")).encode()
    )
    return _chunked(event)


def _chunked(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


def _delta(delta: object, **more: object) -> object:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}


def _frames() -> tuple[bytes, ...]:
    """Return what is sent for each token; vLLM tells the role just before the first, the end with the last."""
    frames = [_chunk([_delta({"content": token}, token_ids=None)]) for token in TOKENS]
    role = _chunk([_delta({"role": "assistant", "content": ""})], prompt_token_ids=None)
    last = {"finish_reason": "length", "stop_reason": None, "token_ids": None}
    frames[-1] = _chunk([_delta({"content": TOKENS[-1]}, **last)])
    frames[-1] += _chunk([], usage=_USAGE) + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return (_STREAM_HEAD + role + frames[0], *frames[1:])


class Upstream:
    """What all connections share: the frames, and when each token of each request was sent."""

    def __init__(self) -> None:
        self.frames = _frames()
        self.sent: dict[int, list[float]] = {}

    def taken(self) -> bytes:
        """Return the times of sending by request as JSON, and forget them."""
        told = json.dumps(self.sent).encode()
        self.sent = {}
        return told


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        self._upstream = upstream
        self._loop = loop
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        needed = int(length[1]) if length else 0
        if len(rest) < needed:
            return
        self._buffer = rest[needed:]
        self._answer(head.split(b" ", 2)[1], rest[:needed])

    def _answer(self, path: bytes, body: bytes) -> None:
        if path == b"/v1/chat/completions":
            number = _NUMBER.search(body)
            self._stream(int(number[1]) if number else -1)
        elif path == b"/v1/models":
            self._say(b"200 OK", b'{"object":"list","data":[{"id":"base","object":"model","parent":null}]}')
        elif path == b"/health":
            self._say(b"200 OK", b"{}")
        elif path == b"/times":
            self._say(b"200 OK", self._upstream.taken())
        else:
            self._say(b"404 Not Found", b'{"detail":"Not Found"}')

    def _say(self, status: bytes, body: bytes) -> None:
        head = _HEAD % (status, b"application/json") + b"content-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    def _stream(self, number: int) -> None:
        began = self._loop.time() + FIRST_SECONDS
        times = self._upstream.sent[number] = []
        frames, write = self._upstream.frames, self._transport.write
        call_at: Callable[..., asyncio.TimerHandle] = self._loop.call_at

        def send(position: int) -> None:
            times.append(time.monotonic())
            write(frames[position])
            following = position + 1
            if following < len(frames):
                self._timer = call_at(began + following * GAP_SECONDS, send, following)

        self._timer = call_at(began, send, 0)


async def main() -> None:
    """Serve for ever on a free loopback port, which is printed."""
    loop = asyncio.get_running_loop()
    upstream = Upstream()
    server = await loop.create_server(lambda: Connection(upstream, loop), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.disable()  # it makes no cycles, and a pause here would be blamed on what is measured
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
