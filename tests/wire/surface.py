"""The gateway with every route that `repertory serve` gives it, adapters and actions included."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from adapters.tables import metadata as adapter_tables
from core.database import Database
from server.app import create_app
from server.releases import AdapterReleases
from server.rollouts.conduct import conduct_of
from tests.adapters.tiny import make_adapter, make_base
from tests.fakes.crm import Crm
from tests.fakes.mcp_server import running_mcp
from tests.fakes.oauth import running_oauth
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import CLERK, DOCUMENT

HOOK_KEY = "a-key-with-which-a-crm-signs"
CALLER = """\
id: caller
name: Caller
instructions: You summarise.
integrations: {hooks: [{name: crm, secret: crm-hook}]}
"""
KNOWS = """\
knowledge:
  paths: [knowledge/library]
retrieval: {floor: 0.2, top_k: 2}
"""


@asynccontextmanager
async def clerks(
    start: Start, crm: Crm, folder: Path, *names: str, private_hosts: str = "", **settings: Any
) -> AsyncIterator[Gateway]:
    """Start a gateway with personas who look contacts up and remove them.

    `clerk` calls in the guided way, `native` in the model's own; `scribe` is a clerk who knows the library, and
    `caller` one that is asked by a signed hook.
    """
    (folder / "contacts.yaml").write_text(DOCUMENT)
    guided = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    native = CLERK.replace("URL", crm.url).replace("CALLING", "native").replace("id: clerk", "id: native")
    known = {"clerk": guided, "native": native, "scribe": guided.replace("id: clerk", "id: scribe") + KNOWS}
    known["caller"] = CALLER
    hosts = ",".join(filter(None, (crm.host, private_hosts)))
    async with start({name: known[name] for name in names}, private_hosts=hosts, **settings) as gateway:
        assert gateway.services.personas.problems == ()
        yield gateway


@asynccontextmanager
async def whole_surface(start: Start, crm: Crm, folder: Path) -> AsyncIterator[Gateway]:
    """Start it with a hook, an MCP server, an OAuth service, and an adapter version that no engine has loaded."""
    with running_oauth() as service, running_mcp() as notes:
        app = service.fields("oauth2_authorization_code")
        hook = {"kind": "signing", "value": HOOK_KEY, "hosts": ["crm.example"]}
        (folder / "secrets.yaml").write_text(json.dumps({"app": app, "crm-hook": hook}))
        (folder / "mcp.yaml").write_text(f"notes: {{url: '{notes.url}'}}\n")
        started = clerks(
            start,
            crm,
            folder,
            "clerk",
            "native",
            "caller",
            private_hosts=f"{notes.host},{service.host}",
            secrets_file=folder / "secrets.yaml",
            mcp_file=folder / "mcp.yaml",
            base_model=str(folder / "base"),
            training_command=f"{sys.executable} -m tests.fakes.trainer",
        )
        async with started as gateway, _with_adapters(gateway, folder) as whole:
            yield whole


@asynccontextmanager
async def _with_adapters(gateway: Gateway, folder: Path) -> AsyncIterator[Gateway]:
    """Give the gateway the adapter `coach` in one version."""
    with closing(Database(folder / "repertory.db")) as database:
        adapter_tables.create_all(database.engine)
        base = BaseModel.load(make_base(folder / "base"))
        registry = Registry(database, folder / "adapters")
        registry.import_folder(make_adapter(folder / "adapter"), "coach", base=base, limits=ImportLimits())
        releases = AdapterReleases(registry, lambda: base)
        conduct = conduct_of(database, registry, releases)
        services = replace(gateway.services, releases=releases, rollouts=conduct)
        app = create_app(services, registry)
        yield replace(gateway, app=app, services=services)
