"""`python -m vllm.entrypoints.openai.api_server`, as the gateway starts it: a scripted engine on a unix socket.

What it does with a request stands as JSON in the last user message: the fields of `Reply`. What it does
in its life stands in the folder `STAND_IN_DIR`, where a test puts files:

| file | effect |
|---|---|
| `hold-start` | it does not listen as long as the file is there |
| `hold-load` | it does not load an adapter as long as the file is there |
| `hold-compute` | it answers its health check, and nothing else |
| `die-at-start` | it ends with code 3 |
| `learnt.json` | an adapter answers the questions in it with what they lead to |

It notes there what it has come to: `at-start`, `at-load` (adapters are served as the plug-in's resolver does it:
only if their files fit their manifest).
"""

import argparse
import asyncio
import hashlib
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from tests.fakes.engine import BASE, FakeEngine, FakePlugin, Reply, application


@dataclass
class StandIn(FakeEngine):
    """The fake engine, told what to do from outside."""

    notes: Path = field(default_factory=Path)
    adapters_dir: Path = field(default_factory=Path)

    async def chat(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        self.script.clear()
        if asked := _order(body["messages"][-1]["content"]):
            self.script.append(asked)  # taken at once: nothing else runs in between
        elif learnt := self._learnt(body):
            self.script.append(learnt)
        self.requests.clear()  # memory has to stay flat over thousands of them
        while (self.notes / "hold-compute").exists():
            await asyncio.sleep(0.02)
        return await super().chat(request)

    def _learnt(self, body: dict[str, Any]) -> Reply | None:
        told = self.notes / "learnt.json"
        if body["model"] == BASE or not told.exists():
            return None
        answer = orjson.loads(told.read_bytes()).get(body["messages"][-1]["content"])
        return Reply(answer) if answer else None

    async def adapters(self, request: Request) -> Response:
        assert self.plugin is not None
        name = request.path_params["name"]
        (self.notes / "at-load").touch()
        while (self.notes / "hold-load").exists():
            await asyncio.sleep(0.02)
        folder = self.adapters_dir / name.replace("@", "/")
        self.plugin.registered.discard(name)
        if _fits(folder) or name in self.plugin.resident:  # what is in memory needs no files
            self.plugin.registered.add(name)
        self.plugin.candidates[name] = {"Hello": -1.0 - len(name) / 10, "I": -0.5}
        return await super().adapters(request)


def _fits(folder: Path) -> bool:
    """Tell whether the files fit their manifest; written anew, as importing the registry would take a second."""
    try:
        told = orjson.loads((folder / "manifest.json").read_bytes())["files"]
        found = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in told}
    except OSError:
        return False
    return bool(found == told)


def _order(content: str) -> Reply | None:
    found = re.search(r'\{"\w+": .*\}', content)  # passages may stand round it
    return Reply(**orjson.loads(found[0])) if found else None


async def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uds", required=True)
    known, _ = parser.parse_known_args()
    notes = Path(os.environ["STAND_IN_DIR"])
    (notes / "at-start").touch()
    if (notes / "die-at-start").exists():
        sys.exit(3)
    while (notes / "hold-start").exists():
        await asyncio.sleep(0.02)
    adapters_dir = Path(os.environ["REPERTORY_PLUGIN_ADAPTERS_DIR"])
    engine = StandIn("http://engine", plugin=FakePlugin(), notes=notes, adapters_dir=adapters_dir)
    config = uvicorn.Config(application(engine), uds=known.uds, log_level="critical", lifespan="off")
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
