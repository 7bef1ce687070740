"""The few variables through which the engine driver talks to the plug-in. Knows nothing of vLLM."""

import os
from pathlib import Path

PLUGIN_VERSION = "1"
"""Raised with every change of the routes or of what the handshake promises."""

ADAPTERS_DIR = "REPERTORY_PLUGIN_ADAPTERS_DIR"
"""Registry folder: `<name>/<version>/` holds an adapter version and its manifest."""


def adapters_dir() -> Path | None:
    """Return the registry folder, or None when the driver named none."""
    value = os.environ.get(ADAPTERS_DIR)
    return Path(value) if value else None
