"""Where the gateway's processor time goes, by layer, under Python's own profiler.

Run as `python -m benchmarks.gateway_profile FILE`: the server as `repertory serve` starts it, profiled between
SIGUSR1 and SIGUSR2 by the clock of its main thread, which everything but searching runs on. The profiler makes
Python code look dearer against C code than it is, so the shares tell where to look, not how long it takes.
"""

import cProfile
import pstats
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from server.serve import run
from server.settings import Settings

_LAYERS = {
    "web server (uvicorn)": ("/uvicorn/",),
    "web framework (starlette, fastapi)": ("/starlette/", "/fastapi/"),
    "layers in front, and who asks": ("/server/middleware/", "/server/keys/", "/server/access", "/server/usage/"),
    "request body (pydantic)": ("/pydantic/", "/server/requests", "/server/turn/request"),
    "asking the engine": ("/server/engine/",),
    "turn: prompt, parameters, record": ("/server/turn/", "/server/routes/", "/server/observe/"),
    "event stream": ("/server/sse",),
    "search and citations": ("/retrieval/",),
    "database (sqlalchemy)": ("/sqlalchemy/", "/core/database"),
    "tasks and loop (asyncio, anyio)": ("/asyncio/", "/anyio/", "/sniffio/"),
    "probing the engine (httpx)": ("/httpx/", "/httpcore/", "/h11/"),
}
_C_LAYERS = {"orjson": "JSON (orjson)", "_asyncio": "tasks and loop (asyncio, anyio)"}
_RELAY = "relay: one frame out for each in"


def shares(file: Path) -> list[tuple[str, float]]:
    """Return each layer's share of the profiled time, largest first."""
    total: Counter[str] = Counter()
    table = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]  # what print_stats itself reads
    for (path, _line, name), (_calls, _primitive, own, _all, _callers) in table.items():
        total[_layer(path, name)] += own
    whole = sum(total.values())
    return [(layer, seconds / whole) for layer, seconds in total.most_common()]


def _layer(path: str, name: str) -> str:
    if path == "~":
        return next((layer for mark, layer in _C_LAYERS.items() if mark in name), "built-in functions")
    if path.endswith("/server/turn/relay.py"):
        return _RELAY
    return next((layer for layer, marks in _LAYERS.items() if any(m in path for m in marks)), "everything else")


def main() -> None:
    """Serve under the profiler."""
    profile = cProfile.Profile(time.thread_time)

    def begin(_number: int, _frame: object) -> None:
        profile.enable()

    def end(_number: int, _frame: object) -> None:
        profile.disable()
        beside = Path(f"{sys.argv[1]}.new")
        profile.dump_stats(beside)
        beside.replace(sys.argv[1])  # whole once it is there

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    run(Settings())


if __name__ == "__main__":
    main()
