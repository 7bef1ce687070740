"""The gateway itself is killed, or its disk is full: nothing is left running, nothing acknowledged is lost."""

import resource
import time
from contextlib import closing

import httpx
import psutil
import pytest

from core.database import Database
from core.errors import Conflict
from core.principal import Scope
from server.keys.store import Keys
from server.serve import _listen
from server.settings import Settings
from tests.engine.server import RunningServer
from tests.faults.world import World, ask, error_of, eventually

pytestmark = pytest.mark.timeout(400)  # a whole server is started, on a machine that may be slow


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(world: World, server: RunningServer) -> None:
    """Kill the gateway and see that everything it started is gone."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) >= 2
    server.process.kill()
    server.process.wait()
    eventually(lambda: not any(_lives(child) for child in children))
    eventually(lambda: world.engine_processes() == [])


def test_a_gateway_killed_while_its_engine_loads_an_adapter_leaves_nothing_running(world: World) -> None:
    world.note("hold-load").touch()
    with world.server() as server:
        eventually(world.note("at-load").exists, 120)
        assert world.engine_processes() != []
        _kill(world, server)
    assert (world.data_dir / "repertory.db").exists()


def test_a_killed_gateway_loses_nothing_that_it_promised_and_starts_again(world: World) -> None:
    with world.server() as server:
        server.wait_ready()
        secret = _key(world, "ada")
        moved = httpx.post(
            f"{server.url}/api/adapters/coach/use",
            json={"version": _next_version(world), "reason": "a test", "override": True},
            headers=server.admin,
            timeout=60,
        )
        assert moved.status_code == 200, moved.text
        _kill(world, server)
    with world.server() as server:
        server.wait_ready()
        for model in ("plain", "tuned", "other", "librarian"):
            assert ask(server, model).status_code == 200
        listed = httpx.get(f"{server.url}/api/adapters", headers=server.admin, timeout=60).json()
        assert "'coach@2'" in str(listed) or '"coach@2"' in str(listed)
        known = httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {secret}"}, timeout=60)
        assert known.status_code == 200
        _full_disk(world, server)


def test_a_port_that_another_server_is_about_to_serve_on_is_refused_at_once() -> None:
    first = _listen(Settings(port=0))
    with closing(first), pytest.raises(Conflict, match="Cannot listen on"):
        _listen(Settings(port=first.getsockname()[1]))


def _key(world: World, name: str) -> str:
    database = Database(world.data_dir / "repertory.db")
    try:
        return Keys(database, time.time).create(name, [Scope.CHAT])[1]
    finally:
        database.close()


def _next_version(world: World) -> int:
    with world.registry() as registry:
        return world.add_version(registry, "coach", 7)


def _full_disk(world: World, server: RunningServer) -> None:
    """Let the server write no byte more: it refuses what it could not keep, and goes on answering."""
    change = {"version": 1, "reason": "a test", "override": True}
    limit = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    assert limit == (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    refused = httpx.post(f"{server.url}/api/adapters/coach/use", json=change, headers=server.admin, timeout=60)
    assert (refused.status_code, error_of(refused)["code"]) == (503, "disk_full")
    assert int(refused.headers["retry-after"]) > 0
    for model in ("plain", "tuned", "librarian"):
        answered = ask(server, model)
        assert answered.status_code == 200, answered.text
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limit)
    moved = httpx.post(f"{server.url}/api/adapters/coach/use", json=change, headers=server.admin, timeout=60)
    assert moved.status_code == 200, moved.text
