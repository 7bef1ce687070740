"""Killing a story at one of its steps, and looking at what is left."""

import multiprocessing
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

from core.database import Database
from server.migrations import migrate
from tests.adapters.tiny import make_adapter, make_base
from tests.faults.document_models import Fact
from tests.faults.models import CHECKS
from tests.faults.stories import PRELOADED, tell
from tests.faults.witness import Stop

_PATIENCE = 100.0


@dataclass
class Telling:
    """What a child said before its end.

    Attributes:
        at: the step at which it was stopped, with its number.
        passed: the steps that it went through.
        done: what was acknowledged.
        tried: what was under way at the end.
        code: how it ended; -9 for a kill.
    """

    at: tuple[str, int] | None = None
    passed: list[str] = field(default_factory=list)
    done: list[Fact] = field(default_factory=list)
    tried: Fact | None = None
    code: int | None = None


class Killer:
    """Tells stories in children, each over a fresh copy of the same beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._beginning = folder / "beginning"
        (self._beginning / "personas").mkdir(parents=True)
        database = Database(self._beginning / "repertory.db")
        migrate(database)
        database.close()
        make_base(self._beginning / "base")
        for seed in range(3):
            make_adapter(self._beginning / f"source{seed}", seed=seed)

    def steps(self, story: str) -> list[str]:
        """Return the steps of a story that nobody interrupts."""
        telling, _ = self._told(story, None)
        assert telling.code == 0
        return telling.passed

    def kill(self, story: str, stop: Stop) -> Telling:
        """Kill a story at a step and check what is left against the model.

        The kill is proved to have landed there: the child said that it had come to this step and was waiting, said
        nothing after that, and ended by the signal.
        """
        telling, base = self._told(story, stop)
        assert telling.code == -signal.SIGKILL, telling
        assert telling.at is not None
        name, number = telling.at
        assert stop == number or stop == (name, telling.passed.count(name) + 1)
        assert number == len(telling.passed) + 1
        CHECKS[story](base, telling.done, telling.tried)
        shutil.rmtree(base)
        return telling

    def _told(self, story: str, stop: Stop) -> tuple[Telling, Path]:
        self._count += 1
        base = self._folder / f"telling{self._count}"
        shutil.copytree(self._beginning, base)
        ours, theirs = self._context.Pipe(duplex=False)
        child = self._context.Process(target=tell, args=(theirs, story, base, stop))
        child.start()
        theirs.close()
        telling = Telling()
        with ours:
            while telling.at is None:
                assert ours.poll(_PATIENCE), f"{story!r} says nothing more after {telling}"
                try:
                    kind, fact = ours.recv()
                except EOFError:
                    break
                if kind == "at":
                    telling.at = fact
                elif kind == "passed":
                    telling.passed.append(fact[0])
                elif kind == "tried":
                    telling.tried = fact
                elif kind == "done":
                    telling.done.append(fact)
                    telling.tried = None
                else:
                    break
            if telling.at is not None:
                child.kill()
            child.join(_PATIENCE)
            assert telling.at is None or not ours.poll() or _nothing_more(ours)
        telling.code = child.exitcode
        child.close()
        return telling, base


def _nothing_more(pipe: "multiprocessing.connection.Connection") -> bool:
    try:
        pipe.recv()
    except EOFError:
        return True
    return False
