"""One real server for the whole run; tests that end it come last."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from server.engine.process import runtime_dir
from server.migrations import migrate
from server.settings import Settings
from tests.engine.adapters import write_random_adapter
from tests.engine.server import NO_IDLING, ROOT, RunningServer, free_port, repertory
from tests.fakes.hubspot import TOKEN, HubSpot, running_hubspot
from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, FakeSlack, running_slack

RANDOM_ADAPTERS = ("alpha", "beta", "gamma")
_CHUNK = 512
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.timeout(1500))
    items.sort(key=lambda item: (_HERE in item.path.parents, item.path.name == "test_life.py"))


@pytest.fixture(scope="session")
def base_dir() -> Path:
    return Settings().base_model_dir


@pytest.fixture(scope="session")
def adapter_folders(base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("random-adapters")
    return {
        name: write_random_adapter(root / name, base_dir, seed=seed) for seed, name in enumerate(RANDOM_ADAPTERS)
    }


@pytest.fixture(scope="session")
def hubspot() -> Iterator[HubSpot]:
    """What the persona of the example CRM reaches."""
    with running_hubspot() as running:
        yield running


@pytest.fixture(scope="session")
def slack() -> Iterator[FakeSlack]:
    """Where the demo's project manager speaks."""
    with running_slack() as running:
        yield running


@pytest.fixture(scope="session")
def server(
    base_dir: Path,
    adapter_folders: dict[str, Path],
    hubspot: HubSpot,
    slack: FakeSlack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningServer]:
    """`repertory serve --demo` on the real engine, with three random adapters registered, too."""
    data_dir = tmp_path_factory.mktemp("served") / "data"
    data_dir.mkdir()
    database = Database(data_dir / "repertory.db")
    migrate(database)
    registry = Registry(database, data_dir / "adapters")
    base = BaseModel.load(base_dir)
    for name, folder in adapter_folders.items():
        registry.import_folder(folder, name, base=base, limits=ImportLimits())
    database.close()
    tracker_port = free_port()
    folder, secrets = _personas(data_dir.parent / "personas", tracker_port), data_dir.parent / "secrets.yaml"
    (folder / "crm-assistant.yaml").write_text(_crm_assistant(hubspot))
    bound = {"value": TOKEN, "hosts": [hubspot.host], "personas": ["crm-assistant"]}
    secrets.write_text(yaml.safe_dump({"hubspot": bound}))
    settings = {
        "REPERTORY_TRACKER_PORT": str(tracker_port),
        "REPERTORY_PERSONAS_DIR": str(folder),
        "REPERTORY_SECRETS_FILE": str(secrets),
        "REPERTORY_SLACK_BOT_TOKEN": BOT_TOKEN,
        "REPERTORY_SLACK_APP_TOKEN": APP_TOKEN,
        "REPERTORY_SLACK_API": f"{slack.url}/api/",
        "REPERTORY_PRIVATE_HOSTS": hubspot.host,
        "REPERTORY_ENGINE_ARGS": f"--max-num-batched-tokens {_CHUNK}",
        "REPERTORY_KV_CACHE_GIB": "1",
        "REPERTORY_MAX_LORAS": str(len(RANDOM_ADAPTERS)),  # every slot in use, the last one, too
    }
    with repertory(data_dir, settings, "--demo") as running:
        running.wait_ready()
        yield running


def _personas(folder: Path, tracker_port: int) -> Path:
    """Copy the demo personas, their tracker on a free port; add those that only tests ask."""
    folder.mkdir()
    for path in (ROOT / "personas").glob("*.yaml"):
        text = path.read_text()
        document = "  - document: examples/tickets/openapi.yaml\n"
        moved = f"{document}    server: http://127.0.0.1:{tracker_port}\n"
        (folder / path.name).write_text(text.replace(document, moved))
    (folder / "trial.yaml").write_text(
        "id: trial\nname: Trial\ninstructions: You answer.\nmodel:\n  adapter: alpha\n"
    )
    (folder / "teller.yaml").write_text("id: teller\nname: Teller\ninstructions: You tell long stories.\n")
    careful = " ".join(f"Rule {number}: be kind and plain." for number in range(40))
    stores = {"reader": "support-agent", "reader-too": "support-agent", "reader-elsewhere": "compliance-guide"}
    for name, store in stores.items():
        text = (
            f"id: {name}\nname: {name}\ninstructions: >-\n  {careful}\nknowledge:\n  paths: [knowledge/{store}]\n"
        )
        (folder / f"{name}.yaml").write_text(text)
    return folder


def _crm_assistant(hubspot: HubSpot) -> str:
    """Return the persona of the example CRM without what it may write, pointed at HubSpot's door.

    The smallest base makes up what it may leave out, such as the page: that is taken from it, as operators may.
    """
    text = (ROOT / "examples/crm/crm-assistant.yaml").read_text()
    text = text.replace("http://127.0.0.1:8200", hubspot.url).replace("# secret: hubspot", "secret: hubspot")
    for name in ("search_contacts", "deals_of_contact"):
        text = text.replace(f"- {name}\n", f'- {{id: {name}, fixed: {{after: "0"}}}}\n')
    return text.replace("      - add_note_to_contact\n", "")


@pytest.fixture(scope="session")
def engine(server: RunningServer) -> Iterator[httpx.Client]:
    """The engine behind the server, through its private socket."""
    with engine_client(server) as client:
        yield client


def engine_client(server: RunningServer) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(runtime_dir(server.data_dir) / "engine.sock"), limits=NO_IDLING)
    return httpx.Client(transport=transport, base_url="http://engine", timeout=300)
