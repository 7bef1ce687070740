"""The whole gateway with real adapters over a fake engine: `coach@1` answers, `coach@2` is approved, 3 is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from core.principal import Scope
from server.app import create_app
from server.assembly import assemble
from server.engine.driver import EngineDriver
from server.migrations import migrate
from server.releases import AdapterReleases
from server.rollouts.conduct import Conduct, conduct_of
from server.settings import Settings
from tests.adapters.tiny import make_adapter, make_base
from tests.fakes.engine import FakeEngine, FakePlugin
from tests.server.conftest import BreakableEmbedder, FixedReleases, Gateway

COACH = "id: coach\nname: Coach\ninstructions: You are a coach.\nmodel: {adapter: coach}\n"


@dataclass
class Trial:
    """The gateway, and what is behind it."""

    gateway: Gateway
    engine: FakeEngine
    plugin: FakePlugin
    registry: Registry
    releases: AdapterReleases
    conduct: Conduct
    database: Database

    async def call(self, method: str, path: str, body: object = None, *, key: str = "operator") -> httpx.Response:
        """Ask the API as the holder of a key with the scope `adapters`."""
        secret = self.gateway.secret(key, Scope.ADAPTERS, Scope.CHAT)
        async with self.gateway.http(authorization=f"Bearer {secret}") as http:
            sent = body if body is not None or method == "GET" else {}
            return await http.request(method, path, json=sent)

    async def start(self, **fields: Any) -> str:
        """Begin a rollout of the second version; return its id."""
        answer = await self.call("POST", "/api/rollouts", {"adapter": "coach", "version": 2, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def show(self, rollout: str) -> dict[str, Any]:
        """Return a rollout as the API shows it."""
        shown: dict[str, Any] = (await self.call("GET", f"/api/rollouts/{rollout}")).json()
        return shown

    async def ask(self, user: str, question: str = "Hello", **fields: Any) -> dict[str, Any]:
        """Ask the coach as one of an app's users; return the answer's `repertory` block with its id and text."""
        answer = await self.gateway.ask(
            "coach", question, user=user, extra_body={"repertory": {"include": True}}, **fields
        )
        block: dict[str, Any] = answer.model_dump()["repertory"]
        return block | {"response": answer.id, "text": answer.choices[0].message.content}

    def as_version(self, answers: dict[str, Any]) -> None:
        """Let each version answer with a reply of its own."""
        default = self.engine.model

        def model(body: dict[str, Any]) -> Any:
            return answers.get(body["model"]) or default(body)

        self.engine.model = model


@asynccontextmanager
async def trial(folder: Path, engine: FakeEngine) -> AsyncIterator[Trial]:
    """Start it over a data directory that may have been used before."""
    plugin = engine.plugin or FakePlugin()
    engine.plugin = plugin
    database = Database(folder / "repertory.db")
    migrate(database)
    personas = folder / "personas"
    personas.mkdir(exist_ok=True)
    if not (personas / "coach.yaml").exists():
        (personas / "coach.yaml").write_text(COACH)
    fresh = not (folder / "base").exists()
    base = BaseModel.load(make_base(folder / "base") if fresh else folder / "base")
    registry = Registry(database, folder / "adapters")
    for seed in range(3):
        plugin.registered.add(f"coach@{seed + 1}")
        plugin.candidates[f"coach@{seed + 1}"] = {"Hello": -1.5 - seed, "I": -0.4 - seed}
        if fresh:
            source = make_adapter(folder / f"source{seed}", seed=seed)
            registry.import_folder(source, "coach", base=base, limits=ImportLimits(), by="key:ada")
    if fresh:
        registry.promote("coach", 1, by="key:ada", reason="the first", override=True)
        registry.approve("coach", 2, by="key:boss", reason="for a trial", override=True)
    releases = AdapterReleases(registry, lambda: base)
    conduct = conduct_of(database, registry, releases, _now)
    conduct.load()
    settings = Settings(
        data_dir=folder,
        personas_dir=personas,
        knowledge_root=folder,
        base_model=str(folder / "base"),
        engine_url=(engine.url,),
        _env_file=None,
    )
    driver = EngineDriver(settings, None, releases.restore)
    releases.attach(driver)
    embedder = BreakableEmbedder(dimensions=384)
    await driver.start()
    with anyio.fail_after(60):
        await driver.wait_ready()
    services = assemble(
        settings,
        database=database,
        embedder=embedder,
        engine=driver,
        releases=releases,
        clock=_now,
        rollouts=conduct,
    )
    app = create_app(services, registry)
    try:
        async with app.router.lifespan_context(app):
            gateway = Gateway(app, services, engine, FixedReleases(), embedder, [], personas)
            yield Trial(gateway, engine, plugin, registry, releases, conduct, database)
    finally:
        await releases.aclose()
        await driver.stop()
        database.close()


def _now() -> float:
    return 1_800_000_000.0
