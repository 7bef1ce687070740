"""The Slack program as a process of its own, to be killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.slack.config import Setup
from server.settings import ROOT


def told(setup: Setup) -> str:
    """Return a set-up as the program reads it, with its secrets."""
    app = setup.app
    assert app is not None
    assert app.app_token is not None
    assert app.signing_secret is not None
    secrets = {
        "bot_tokens": [token.get_secret_value() for token in app.bot_tokens],
        "app_token": app.app_token.get_secret_value(),
        "signing_secret": app.signing_secret.get_secret_value(),
    }
    rest = setup.model_dump(mode="json", exclude={"app", "api_key"})
    return json.dumps(rest | {"app": secrets, "api_key": setup.api_key.get_secret_value()}) + "\n"


@contextmanager
def child(setup: Setup, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the program until the block ends, or until it is killed."""
    with log.open("a") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "integrations.slack", "run"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            text=True,
            cwd=ROOT,
        )
    try:
        assert process.stdin is not None
        process.stdin.write(told(setup))
        process.stdin.close()
        yield process
    finally:
        process.terminate()
        process.wait(60)
