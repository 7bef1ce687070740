"""The `repertory` command. Talks to people and scripts; every rule it needs lives elsewhere."""

from server.cli.app import app

__all__ = ["app"]
