"""Reads persona files as the server would, for `repertory persona check`."""

from collections.abc import Iterable
from pathlib import Path

from server.assembly import action_loader
from server.personas.loader import Persona, Problem, load_file, load_folder
from server.settings import Settings


def check_paths(settings: Settings, paths: Iterable[Path]) -> tuple[list[str], list[Problem]]:
    """Check files and folders; return the ids of the good personas and every problem."""
    load_actions = action_loader(settings)
    good: list[str] = []
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            loaded = load_folder(path, load_actions)
            good.extend(sorted(loaded.personas))
            problems.extend(loaded.problems)
            continue
        outcome = load_file(path, load_actions)
        if isinstance(outcome, Persona):
            good.append(outcome.id)
        else:
            problems.extend(outcome)
    return good, problems
