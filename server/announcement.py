"""What the terminal shows while the server starts, and once it is ready."""

import asyncio
import json
import shlex
import time

from rich.console import Console
from rich.table import Table

from core.errors import RepertoryError
from server.engine.driver import EngineDriver
from server.personas.loader import Persona
from server.services import Services

_QUESTION = "What do you help with?"


async def announce(console: Console, services: Services, driver: EngineDriver, port: int) -> None:
    """Show what is waited for; when personas answer, show them and a line that asks one."""
    began = time.monotonic()
    with console.status("vLLM is starting (about a minute) …") as status:
        waiting = asyncio.create_task(driver.wait_ready())
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=1)
            reason = driver.ready().reason or "vLLM is starting."
            status.update(f"{reason} {time.monotonic() - began:.0f} s")
        while services.sync.waiting:
            status.update(f"Reading knowledge: {', '.join(services.sync.waiting)}")
            await asyncio.sleep(0.5)
    console.print(_table(services, time.monotonic() - began))
    for problem in services.personas.problems:
        console.print(f"{problem.file}:{problem.line} {problem.field}: {problem.message}", markup=False)
    console.print("Try it:", markup=False)
    print(curl_line(services, port), flush=True)  # noqa: T201  one unwrapped line that can be pasted


def curl_line(services: Services, port: int) -> str:
    """Return a shell command that asks a persona which answers now."""
    settings = services.settings
    serving = [persona for persona in services.personas.personas if _answers(services, persona)[1]]
    first = max(serving, key=lambda persona: persona.spec.model.adapter is not None, default=None)
    starters = first.spec.conversation_starters if first else []
    question = {"role": "user", "content": starters[0] if starters else _QUESTION}
    body = json.dumps({"model": first.id if first else "PERSONA", "messages": [question]})
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  only compared
    host = f"[{host}]" if ":" in host else host
    secret = f"$(cat {shlex.quote(str(settings.admin_key_path.resolve()))})"
    key = "" if services.gate.open_to_programs else f' -H "Authorization: Bearer {secret}"'
    url = f"http://{host}:{port}/v1/chat/completions"
    return f"curl {url}{key} -H 'content-type: application/json' -d {shlex.quote(body)}"


def _table(services: Services, seconds: float) -> Table:
    table = Table(title=f"Repertory is ready after {seconds:.0f} s")
    table.add_column("persona (model name)", no_wrap=True)
    for heading in ("answers with", "knowledge", "actions"):
        table.add_column(heading, overflow="fold")
    for persona in services.personas.personas:
        actions = ", ".join(operation.name for operation in persona.actions.operations)
        paths = ", ".join(persona.spec.knowledge.paths)
        table.add_row(persona.id, _answers(services, persona)[0], paths, actions)
    return table


def _answers(services: Services, persona: Persona) -> tuple[str, bool]:
    """Return what a persona answers with, or why it does not, and whether it answers."""
    adapter = persona.spec.model.adapter
    if not adapter:
        return "base model", True
    try:
        return services.releases.resolve(adapter), True
    except RepertoryError as error:
        return error.message, False
