"""The actions of one persona, read from its file as the server would, for `repertory action`."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect

from actions import ActionConfig, ActionSet, Documents
from actions.mcp import Toolbox, ToolPins
from core.clock import system_clock
from core.database import Database
from core.errors import InvalidRequest
from core.yaml_source import SourceError, parse
from server.assembly import action_loader, documents_of, toolbox_of
from server.personas.loader import Persona, load_file
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class PersonaActions:
    """A persona's actions and where their documents come from.

    Attributes:
        persona: its id.
        revision: content hash of the persona.
        configs: those with documents or connectors.
    """

    persona: str
    revision: str
    configs: tuple[ActionConfig, ...]
    actions: ActionSet
    documents: Documents


def read_actions(settings: Settings, name: str) -> PersonaActions:
    """Read the persona `name`, an id in the personas folder or a file.

    Raises:
        InvalidRequest: there is none, or its file has a problem, which is told.
    """
    documents = documents_of(settings)
    loaded = read_persona(settings, name, documents)
    configs = tuple(one for one in loaded.spec.actions if isinstance(one, ActionConfig))
    return PersonaActions(loaded.id, loaded.revision, configs, loaded.actions, documents)


def read_persona(settings: Settings, name: str, documents: Documents | None = None) -> Persona:
    """Read the persona `name`, an id in the personas folder or a file.

    Raises:
        InvalidRequest: there is none, or its file has a problem, which is told.
    """
    with _toolbox(settings) as toolbox:
        loaded = load_file(_file_of(settings, name), action_loader(settings, documents=documents, toolbox=toolbox))
    if not isinstance(loaded, Persona):
        raise InvalidRequest(" ".join(str(problem) for problem in loaded), code="persona_invalid")
    return loaded


@contextmanager
def _toolbox(settings: Settings) -> Iterator[Toolbox]:
    """Give the MCP servers with the tools that a server of this data directory has accepted, if one ever ran."""
    if settings.mcp_file is None or not settings.database_path.exists():
        yield toolbox_of(settings, None)
        return
    with closing(Database(settings.database_path)) as database:
        known = inspect(database.engine).has_table("action_mcp_pins")
        yield toolbox_of(settings, ToolPins(database, system_clock) if known else None)


def _file_of(settings: Settings, name: str) -> Path:
    given = Path(name)
    if given.suffix in (".yaml", ".yml") and given.is_file():
        return given
    folder = settings.personas_dir
    ids = {_id_of(path): path for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml")))}
    if name not in ids:
        known = ", ".join(one for one in ids if one) or "none"
        raise InvalidRequest(f"There is no persona {name!r} in {str(folder)!r}. There are: {known}.")
    return ids[name]


def _id_of(path: Path) -> str:
    try:
        data = parse(path.read_bytes()).data
    except (OSError, SourceError):
        return ""
    return str(data.get("id", "")) if isinstance(data, dict) else ""
