"""The gateway with every route that `repertory serve` gives it, adapters and actions included."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from adapters.tables import metadata as adapter_tables
from core.database import Database
from server.app import create_app
from server.releases import AdapterReleases
from server.routes import adapters
from tests.adapters.tiny import make_adapter, make_base
from tests.fakes.crm import Crm
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import CLERK, DOCUMENT

KNOWS = """\
knowledge:
  paths: [knowledge/library]
retrieval: {floor: 0.2, top_k: 2}
"""


@asynccontextmanager
async def clerks(start: Start, crm: Crm, folder: Path, *names: str) -> AsyncIterator[Gateway]:
    """Start a gateway with personas who look contacts up and remove them.

    `clerk` calls in the guided way, `native` in the model's own; `scribe` is a clerk who knows the library.
    """
    (folder / "contacts.yaml").write_text(DOCUMENT)
    guided = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    native = CLERK.replace("URL", crm.url).replace("CALLING", "native").replace("id: clerk", "id: native")
    known = {"clerk": guided, "native": native, "scribe": guided.replace("id: clerk", "id: scribe") + KNOWS}
    async with start({name: known[name] for name in names}, private_hosts=crm.host) as gateway:
        assert gateway.services.personas.problems == ()
        yield gateway


@asynccontextmanager
async def whole_surface(start: Start, crm: Crm, folder: Path) -> AsyncIterator[Gateway]:
    """Start it with one version of the adapter `coach`, which no engine has loaded."""
    async with clerks(start, crm, folder, "clerk", "native") as gateway:
        database = Database(folder / "repertory.db")
        adapter_tables.create_all(database.engine)
        base = BaseModel.load(make_base(folder / "base"))
        registry = Registry(database, folder / "adapters")
        registry.import_folder(make_adapter(folder / "adapter"), "coach", base=base, limits=ImportLimits())
        services = replace(gateway.services, releases=AdapterReleases(registry, lambda: base))
        app = create_app(services, routers=[adapters.router])
        app.state.registry = registry
        yield replace(gateway, app=app, services=services)
        database.close()
