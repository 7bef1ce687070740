"""The gateway with every route that `repertory serve` gives it, adapters and actions included."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
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
from tests.fakes.oauth import running_oauth
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import CLERK, DOCUMENT

KNOWS = """\
knowledge:
  paths: [knowledge/library]
retrieval: {floor: 0.2, top_k: 2}
"""


@asynccontextmanager
async def clerks(start: Start, crm: Crm, folder: Path, *names: str, **secrets: object) -> AsyncIterator[Gateway]:
    """Start a gateway with personas who look contacts up and remove them.

    `clerk` calls in the guided way, `native` in the model's own; `scribe` is a clerk who knows the library.
    """
    (folder / "contacts.yaml").write_text(DOCUMENT)
    guided = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    native = CLERK.replace("URL", crm.url).replace("CALLING", "native").replace("id: clerk", "id: native")
    known = {"clerk": guided, "native": native, "scribe": guided.replace("id: clerk", "id: scribe") + KNOWS}
    (folder / "secrets.yaml").write_text(json.dumps(secrets))
    hosts = [crm.host, *(host for one in secrets.values() if isinstance(one, dict) for host in one["hosts"])]
    settings = {"private_hosts": ",".join(hosts), "secrets_file": folder / "secrets.yaml"}
    async with start({name: known[name] for name in names}, **settings) as gateway:
        assert gateway.services.personas.problems == ()
        yield gateway


@asynccontextmanager
async def whole_surface(start: Start, crm: Crm, folder: Path) -> AsyncIterator[Gateway]:
    """Start it with one version of the adapter `coach`, which no engine has loaded, and with an OAuth service."""
    with running_oauth() as service:
        app = service.fields("oauth2_authorization_code")
        started = clerks(start, crm, folder, "clerk", "native", app=app)
        async with started as gateway, _with_adapters(gateway, folder) as whole:
            yield whole


@asynccontextmanager
async def _with_adapters(gateway: Gateway, folder: Path) -> AsyncIterator[Gateway]:
    with closing(Database(folder / "repertory.db")) as database:
        adapter_tables.create_all(database.engine)
        base = BaseModel.load(make_base(folder / "base"))
        registry = Registry(database, folder / "adapters")
        registry.import_folder(make_adapter(folder / "adapter"), "coach", base=base, limits=ImportLimits())
        services = replace(gateway.services, releases=AdapterReleases(registry, lambda: base))
        app = create_app(services, routers=[adapters.router])
        app.state.registry = registry
        yield replace(gateway, app=app, services=services)
