"""`repertory serve --demo` on the real engine, as the benchmarks measure it: the gateway and what is behind it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from server.engine.process import runtime_dir
from server.migrations import migrate
from server.settings import Settings
from tests.engine.adapters import write_random_adapter
from tests.engine.server import ROOT, free_port, repertory

RANDOM = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
"""Adapters with one version each, rank 8 on all linear layers; more than the engine has slots."""

TRIAL = "trial"
"""An adapter with two versions, whose persona has the same name."""

INSTRUCTIONS = "You tell long stories about everyday life, in plain words, and you never come to an end."
_PERSONAS = {"plain": None, "tuned": "alpha", TRIAL: TRIAL}
_DOCUMENT = "  - document: examples/tickets/openapi.yaml\n"


@dataclass(frozen=True, slots=True)
class Served:
    """A running server.

    Attributes:
        url: the gateway.
        socket: the engine behind it.
        admin: headers of the administrator.
    """

    url: str
    socket: Path
    admin: dict[str, str]

    def gateway(self) -> httpx.AsyncClient:
        """Return a client of the gateway."""
        return httpx.AsyncClient(
            base_url=self.url, timeout=900, headers=self.admin, limits=httpx.Limits(max_connections=None)
        )

    def engine(self) -> httpx.AsyncClient:
        """Return a client of the engine's own socket."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket), limits=httpx.Limits(max_connections=None))
        return httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=900)

    def use(self, name: str, version: int) -> httpx.Response:
        """Let a version answer."""
        body = {"version": version, "override": True, "reason": "a measurement"}
        return httpx.post(f"{self.url}/api/adapters/{name}/use", json=body, headers=self.admin, timeout=300)


@contextmanager
def serving() -> Iterator[Served]:
    """Run the demo with some random adapters more, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        data_dir.mkdir()
        _register(data_dir, Path(folder) / "random")
        tracker = free_port()
        settings = {
            "REPERTORY_TRACKER_PORT": str(tracker),
            "REPERTORY_PERSONAS_DIR": str(_personas(Path(folder) / "personas", tracker)),
        }
        with repertory(data_dir, settings, "--demo") as running:
            running.wait_ready()
            served = Served(running.url, runtime_dir(data_dir) / "engine.sock", running.admin)
            for name in (*RANDOM[:1], TRIAL):
                served.use(name, 1).raise_for_status()
            yield served


def _register(data_dir: Path, folder: Path) -> None:
    base_dir = Settings().base_model_dir
    base = BaseModel.load(base_dir)
    database = Database(data_dir / "repertory.db")
    migrate(database)
    registry = Registry(database, data_dir / "adapters")
    for seed, name in enumerate((*RANDOM, TRIAL, TRIAL)):
        written = write_random_adapter(folder / f"{name}-{seed}", base_dir, seed=seed)
        registry.import_folder(written, name, base=base, limits=ImportLimits())
    database.close()


def _personas(folder: Path, tracker: int) -> Path:
    """Copy the demo personas, their tracker on a free port, and write those of the measurements."""
    folder.mkdir()
    for path in (ROOT / "personas").glob("*.yaml"):
        moved = f"{_DOCUMENT}    server: http://127.0.0.1:{tracker}\n"
        (folder / path.name).write_text(path.read_text().replace(_DOCUMENT, moved))
    for name, adapter in _PERSONAS.items():
        model = f"model:\n  adapter: {adapter}\n" if adapter else ""
        (folder / f"{name}.yaml").write_text(f"id: {name}\nname: {name}\ninstructions: {INSTRUCTIONS}\n{model}")
    return folder
