"""What a server writes, told as short stories, step by step. Run in a child that is killed in the middle.

A story does real work on real files and says what was acknowledged; `Witness` sees each step before it happens.
A story must never check anything: that is done by `tests/faults/models.py`, after the kill. The stories of
uploads, vector stores and folders are in `tests/faults/document_stories.py`.
"""

import shutil
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from actions import ActionSet, Approvals, Decision, NetworkGrants, Secrets
from actions.result import ActionResult
from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from core.ids import ConversationId, PersonaId, PrincipalId
from core.principal import Principal, Scope
from retrieval import Knowledge
from server.keys.store import Keys
from server.personas.library import PersonaLibrary
from server.personas.schema import PersonaSpec
from tests.fakes.embedder import WordEmbedder
from tests.faults.dataset_stories import datasets
from tests.faults.document_stories import DOCUMENT_STORIES
from tests.faults.evaluation_stories import evaluations
from tests.faults.hook_stories import hooks
from tests.faults.house import SAVED
from tests.faults.job_stories import jobs
from tests.faults.rollout_stories import rollouts
from tests.faults.witness import Stop, Witness

ADMIN = Principal(PrincipalId("key:boss"), frozenset({Scope.ADMIN}))
CALL = (PrincipalId("key:ada"), PersonaId("plain"), ConversationId("talk"), "pay")


def adapters(base: Path, witness: Witness) -> None:
    """Take three adapters in, let two of them answer, and go back."""
    registry = Registry(Database(base / "repertory.db"), base / "adapters")
    model = BaseModel.load(base / "base")
    for seed in range(3):
        witness.attempt("import", seed)
        version = registry.import_folder(base / f"source{seed}", "coach", base=model, limits=ImportLimits())
        witness.acknowledge("import", seed, version.version)
    for number in (1, 2, 3):
        witness.attempt("use", number)
        registry.promote("coach", number, by="ada", reason="a story", override=True)
        witness.acknowledge("use", number)
    witness.attempt("use", 2)
    registry.rollback("coach", by="ada", reason="a story")
    witness.acknowledge("use", 2)


def approvals(base: Path, witness: Witness) -> None:
    """Ask for a call, approve it, make it once, and write down what came of it; another one is denied."""
    store = Approvals(Database(base / "repertory.db"), lambda: 1_800_000_000.0)
    for amount, decision in ((1, Decision.APPROVE), (2, Decision.DENY)):
        witness.attempt("pending", amount)
        call = store.request(*CALL, {"amount": amount}, f"POST /pay/{amount}").id
        witness.acknowledge("pending", amount, call)
        decided = "approved" if decision is Decision.APPROVE else "denied"
        witness.attempt(decided, amount)
        store.decide(call, decision, ADMIN)
        witness.acknowledge(decided, amount)
        if decision is Decision.DENY:
            continue
        witness.attempt("sent", amount)
        store.claim(call)
        witness.acknowledge("sent", amount)
        witness.step("send the call")
        with (base / "service.log").open("a") as service:
            service.write(f"{amount}\n")
        witness.step("hear the answer")
        witness.attempt("done", amount)
        store.finish(call, ActionResult("paid", 200, ok=True))
        witness.acknowledge("done", amount)


def keys(base: Path, witness: Witness) -> None:
    """Make the first key, make two more, and revoke one."""
    store = Keys(Database(base / "repertory.db"), lambda: 1_800_000_000.0)
    witness.attempt("key", "first")
    store.bootstrap(base / "admin.key")
    witness.acknowledge("key", "first", (base / "admin.key").read_text().strip())
    for name in ("ada", "bob"):
        witness.attempt("key", name)
        _, secret = store.create(name, [Scope.CHAT])
        witness.acknowledge("key", name, secret)
    witness.attempt("revoked", "ada")
    store.revoke("ada")
    witness.acknowledge("revoked", "ada")


def knowledge(base: Path, witness: Witness) -> None:
    """Read a folder, and read it again after each of its files has changed and one is gone."""
    database = Database(base / "repertory.db")
    library = Knowledge(database, WordEmbedder(), base / "indexes", index_sizes=SAVED)
    for edition in ("old", "new"):
        write_books(base / "books", edition)
        witness.attempt("read", edition)
        library.sync("books", base / "books")
        witness.acknowledge("read", edition)


def write_books(folder: Path, edition: str) -> None:
    """Write an edition; the new one lacks the first book."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(0 if edition == "old" else 1, 4):
        text = f"The {edition} rule number{number} says what to do in case{number}. " * 12
        (folder / f"rule{number}.md").write_text(f"# Rule {number}\n\n{text}")


def personas(base: Path, witness: Witness) -> None:
    """Read the persona files, change one, and read them again."""

    def load(spec: PersonaSpec) -> ActionSet:
        nothing = NetworkGrants.parse(())
        return ActionSet.load((), root=base, grants=nothing, secrets=Secrets.none(), persona=PersonaId(spec.id))

    write_persona(base / "personas", "old")
    library = PersonaLibrary(base / "personas", load, lambda: 1_800_000_000.0)
    witness.acknowledge("serving", "old")
    write_persona(base / "personas", "new")
    library.reload()
    witness.acknowledge("serving", "new")


def write_persona(folder: Path, edition: str) -> None:
    """Write an edition as an editor does that saves safely: beside, then in place."""
    folder.mkdir(exist_ok=True)
    beside = folder / "plain.new"
    beside.write_text(f"id: plain\nname: Plain\ninstructions: You are {edition}.\n")
    beside.rename(folder / "plain.yaml")


STORIES: dict[str, Callable[[Path, Witness], None]] = {
    "adapters": adapters,
    "approvals": approvals,
    "keys": keys,
    "knowledge": knowledge,
    "personas": personas,
    "datasets": datasets,
    "hooks": hooks,
    "rollouts": rollouts,
    "jobs": jobs,
    "evaluations": evaluations,
    **DOCUMENT_STORIES,
}


def tell(pipe: Connection, name: str, base: Path, stop: Stop) -> None:
    """Tell a story in this process; what comes of it goes through the pipe."""
    witness = Witness(pipe, base, stop)
    witness.watch()
    STORIES[name](base, witness)
    pipe.send(("end", ()))


PRELOADED: Sequence[str] = (
    "pytest",
    "faiss",
    "anyio._backends._asyncio",
    "tests.faults.stories",
)
"""Imported once by the server that forks the children, so that a kill takes no more than a moment."""
