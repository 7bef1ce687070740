"""The checks of `repertory doctor`, in the order in which one thing needs another."""

from collections.abc import Callable

from server.diagnosis.check import Check, Status
from server.diagnosis.data import data_directory, database, personas, secrets
from server.diagnosis.installation import base, compiler, models, packages, python, reranker
from server.diagnosis.machine import clock, cpu, disk, files, memory, threads
from server.diagnosis.network import engine, plugin, port, server
from server.settings import Settings

__all__ = ["CHECKS", "Check", "Status", "run_checks"]

CHECKS: tuple[Callable[[Settings], Check], ...] = (
    python,
    packages,
    compiler,
    cpu,
    memory,
    disk,
    threads,
    files,
    clock,
    models,
    reranker,
    base,
    data_directory,
    database,
    secrets,
    personas,
    port,
    server,
    engine,
    plugin,
)


def run_checks(settings: Settings) -> list[Check]:
    """Run every check."""
    return [check(settings) for check in CHECKS]
