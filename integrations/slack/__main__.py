"""`python -m integrations.slack run|check|manifest`: reads its set-up from standard input, and runs.

`repertory slack` and `repertory serve` start it so; see `docs/slack.md`.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys

from pydantic import ValidationError

from core.errors import RepertoryError
from integrations.slack.check import look
from integrations.slack.config import Setup
from integrations.slack.manifest import as_yaml, manifest
from integrations.slack.program import running

logger = logging.getLogger("integrations.slack")


def main() -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="integrations.slack", description="Personas in Slack.")
    parser.add_argument("work", choices=["run", "check", "manifest"])
    work = parser.parse_args().work
    told = sys.stdin.readline()
    if work == "manifest":
        print(as_yaml(manifest(**json.loads(told))), end="")
        return 0
    try:
        setup = Setup.model_validate_json(told)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        print(f"The set-up cannot be used: {first['loc']}: {first['msg']}.", file=sys.stderr)
        return 2
    _set_up_logging(setup.log_level)
    try:
        return asyncio.run(_run(setup) if work == "run" else _check(setup))
    except RepertoryError as error:
        print(f"{error.message} ({error.code})", file=sys.stderr)
        return 1


async def _run(setup: Setup) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    async with running(setup) as program:
        for workspace in program.desk.house.workspaces.values():
            logger.info("Slack: %s is in workspace %s.", workspace.app, workspace.identity.team)
        if program.port is not None:
            logger.info("Slack's requests are taken at port %d.", program.port)
        await stop.wait()
    return 0


async def _check(setup: Setup) -> int:
    good = True
    async for finding in look(setup):
        print(f"{'ok ' if finding.good else 'BAD'}  {finding.what}: {finding.words}")
        good = good and finding.good
    return 0 if good else 1


def _set_up_logging(level: str) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("integrations").setLevel(level)
    # The library's debug lines would hold what people write.
    logging.getLogger("integrations.slack.library").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
