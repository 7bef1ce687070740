"""Names of a package that load their module when they are first asked for (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module


def on_demand(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return what a package takes for its `__getattr__`.

    Args:
        package: its name.
        homes: name that it hands on → module of the package where that is.
    """

    def attribute(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return attribute
