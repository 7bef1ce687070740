"""A whole server in seconds: `repertory serve` with its real processes, around `tests/fakes/stand_in`."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from server.engine.process import LEASE, runtime_dir
from server.migrations import migrate
from tests.adapters.tiny import make_adapter, make_base, write_json
from tests.engine.server import ROOT, RunningServer, repertory

STAND_IN = ROOT / "tests" / "fakes" / "stand_in"
PERSONAS = {
    "plain": "id: plain\nname: Plain\ninstructions: You are plain.\n",
    "tuned": "id: tuned\nname: Tuned\ninstructions: You are tuned.\nmodel: {adapter: coach}\n",
    "other": "id: other\nname: Other\ninstructions: You are other.\nmodel: {adapter: clerk}\n",
    "librarian": "id: librarian\nname: Librarian\ninstructions: You know.\nknowledge: {paths: [books]}\n",
}


@dataclass(frozen=True, slots=True)
class World:
    """The files around a server, which outlive it.

    Attributes:
        folder: holds all the others.
        data_dir: the server's.
        notes: where the stand-in engine is told what to do, and tells what it does.
        personas: the persona files.
        base: the tiny base model.
    """

    folder: Path
    data_dir: Path
    notes: Path
    personas: Path
    base: Path

    @classmethod
    def make(cls, folder: Path) -> "World":
        """Make a world with four personas, two adapters in production and a book."""
        world = cls(folder, folder / "data", folder / "notes", folder / "personas", folder / "models" / "base")
        for made in (world.data_dir, world.notes, world.personas, folder / "root" / "books"):
            made.mkdir(parents=True)
        for name, text in PERSONAS.items():
            (world.personas / f"{name}.yaml").write_text(text)
        (folder / "root" / "books" / "hours.md").write_text("# Hours\n\nThe library opens at nine.\n")
        make_base(world.base)
        embedding = folder / "models" / "embedding"
        embedding.mkdir()
        write_json(embedding / "config.json", {})
        with world.registry() as registry:
            for seed, name in enumerate(("coach", "clerk")):
                version = world.add_version(registry, name, seed)
                registry.promote(name, version, by="test", reason="test", override=True)
        return world

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """Open the registry, beside a server or without one."""
        database = Database(self.data_dir / "repertory.db")
        migrate(database)
        try:
            yield Registry(database, self.data_dir / "adapters")
        finally:
            database.close()

    def add_version(self, registry: Registry, name: str, seed: int) -> int:
        """Import one more version of an adapter; return its number."""
        folder = make_adapter(self.folder / f"incoming-{name}-{seed}", seed=seed)
        base = BaseModel.load(self.base)
        return registry.import_folder(folder, name, base=base, limits=ImportLimits()).version

    def settings(self, **more: str) -> dict[str, str]:
        """Return the environment of a server in this world."""
        return {
            "PYTHONPATH": f"{STAND_IN}:{ROOT}",
            "STAND_IN_DIR": str(self.notes),
            "REPERTORY_MODELS_DIR": str(self.folder / "models"),
            "REPERTORY_PERSONAS_DIR": str(self.personas),
            "REPERTORY_KNOWLEDGE_ROOT": str(self.folder / "root"),
            **more,
        }

    @contextmanager
    def server(self, **more: str) -> Iterator[RunningServer]:
        """Run a server; it may not be ready yet."""
        with repertory(self.data_dir, self.settings(**more)) as running:
            yield running

    def engine_processes(self) -> list[psutil.Process]:
        """Return the processes that carry the lease of this world's engine."""
        return processes_of(self.data_dir)

    def engine(self) -> psutil.Process:
        """Return the engine itself, without its guardian."""
        return next(found for found in self.engine_processes() if "core.guardian" not in found.cmdline())

    def note(self, name: str) -> Path:
        """Return the path of a note."""
        return self.notes / name


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Return the living processes that carry the lease of a data directory."""
    lease, found = str(runtime_dir(data_dir)), []
    for process in psutil.process_iter():
        try:
            if process.environ().get(LEASE) == lease and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def eventually(check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `check` holds; fail when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def body(model: str = "plain", stream: bool = False, **reply: Any) -> dict[str, Any]:
    """Return a chat request; `reply` tells the engine what to do with it."""
    content = json.dumps(reply) if reply else "Hello"
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}


def ask(server: RunningServer, model: str = "plain", **reply: Any) -> httpx.Response:
    """Ask a persona for a whole answer."""
    url = f"{server.url}/v1/chat/completions"
    return httpx.post(url, json=body(model, **reply), timeout=60, trust_env=False)


def error_of(response: httpx.Response) -> Mapping[str, Any]:
    """Return the error object of a failed response."""
    error: Mapping[str, Any] = response.json()["error"]
    return error
