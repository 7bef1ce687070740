"""What must be true after a kill: small models of what was promised, which know nothing of how it is stored.

Each function opens the state as a restarted server does, compares it with what was acknowledged (and with the one
thing that was under way, which may have happened or not), and finishes the story.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import text

from actions import Approvals, ApprovalState
from actions.result import ActionResult
from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from adapters.version import VersionState
from core.database import Database
from core.principal import Scope
from retrieval import Knowledge
from server.keys.store import Keys
from tests.fakes.embedder import WordEmbedder
from tests.faults.dataset_stories import check_datasets
from tests.faults.document_models import DOCUMENT_CHECKS, Fact
from tests.faults.evaluation_stories import check_evaluations
from tests.faults.hook_stories import check_hooks
from tests.faults.house import SAVED
from tests.faults.job_stories import check_jobs
from tests.faults.rollout_stories import check_rollouts
from tests.faults.stories import CALL, write_books


def check_adapters(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """Versions are whole or absent, in their order, and what answers is what was acknowledged last."""
    database = Database(base / "repertory.db")
    registry = Registry(database, base / "adapters")
    registry.reconcile()
    promised = [fact[1] for fact in done if fact[0] == "import"]
    answers: list[object] = [None, *(fact[1] for fact in done if fact[0] == "use")]
    found = {version.version: version for version in registry.list("coach")}
    possible = [len(promised), len(promised) + 1] if tried and tried[0] == "import" else [len(promised)]
    assert len(found) in possible
    assert sorted(found) == list(range(1, len(found) + 1))
    for number in found:
        manifest = registry.verify("coach", number)
        source = base / f"source{number - 1}" / "adapter_model.safetensors"
        kept = base / "adapters" / "coach" / str(number) / "adapter_model.safetensors"
        assert kept.read_bytes() == source.read_bytes()
        assert manifest["version"] == number
    on_disk = sorted(path.name for path in (base / "adapters" / "coach").glob("*")) if found else []
    assert on_disk == [str(number) for number in sorted(found)]
    production = registry.production("coach")
    answering = production.version if production else None
    assert answering in ([answers[-1], tried[1]] if tried and tried[0] == "use" else [answers[-1]])
    live = [version.version for version in found.values() if version.state is VersionState.PRODUCTION]
    assert live == ([answering] if answering else [])
    model = BaseModel.load(base / "base")
    for seed in range(3):
        again = registry.import_folder(base / f"source{seed}", "coach", base=model, limits=ImportLimits())
        assert again.version == seed + 1
    database.close()


_NEXT = {"pending": "approved", "approved": "sent", "sent": "done"}


def check_approvals(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """A call is made at most once, and never without an approval; an answer that was recorded stays."""
    database = Database(base / "repertory.db")
    store = Approvals(database, lambda: 1_800_000_100.0)
    store.mark_interrupted()
    log = base / "service.log"
    calls = log.read_text().splitlines() if log.exists() else []
    for amount in (1, 2):
        states = [fact[0] for fact in done if fact[1] == amount]
        ids = [str(fact[2]) for fact in done if fact[0] == "pending" and fact[1] == amount]
        if not ids:
            continue
        state = store.get(ids[0]).state.value
        allowed = {states[-1], tried[0] if tried and tried[1] == amount else states[-1]}
        expected = {"unknown" if one == "sent" else one for one in allowed}
        assert state in expected, (state, expected)
        assert calls.count(str(amount)) <= 1
        if state in ("pending", "approved", "denied"):
            assert str(amount) not in calls
        if state == "done":
            assert calls.count(str(amount)) == 1
            assert store.get(ids[0]).result == ActionResult("paid", 200, ok=True)
        assert store.claim(ids[0]) is (state == "approved")  # whoever goes on may send it only then
    open_ = [one for one in store.list() if one.state is ApprovalState.SENT]
    assert len(open_) <= 1
    pending = [one for one in store.list() if one.arguments == {"amount": 1}]
    assert len(pending) <= 1
    assert store.request(*CALL, {"amount": 9}, "POST /pay/9").state is ApprovalState.PENDING
    database.close()


def check_keys(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """A secret that was handed out works until its revocation, and the first key's is always in its file."""
    database = Database(base / "repertory.db")
    store = Keys(database, lambda: 1_800_000_100.0)
    revoked = {fact[1] for fact in done if fact[0] == "revoked"}
    for fact in done:
        if fact[0] != "key":
            continue
        found = store.find(str(fact[2]))
        if tried == ("revoked", fact[1]):
            continue
        assert (found is None) is (fact[1] in revoked)
    store.bootstrap(base / "admin.key")
    first = store.find((base / "admin.key").read_text().strip())
    assert first is not None
    assert first.principal.may(Scope.ADMIN)
    names = {key.name for key in store.list()}
    promised = {str(fact[1]) for fact in done if fact[0] == "key"} - {"first"}
    under_way = {str(tried[1])} if tried and tried[0] == "key" else set()
    assert promised <= names - {first.name} <= promised | under_way
    database.close()


def check_knowledge(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """Every document is old or new, whole, and findable; reading on completes what was cut off."""
    database = Database(base / "repertory.db")
    editions = [str(fact[1]) for fact in done]
    library = Knowledge(database, WordEmbedder(), base / "indexes", index_sizes=SAVED)
    with database.read() as connection:
        rows = connection.execute(text("SELECT id, path, text FROM retrieval_documents ORDER BY path")).all()
        for row in rows:
            pieces = connection.execute(
                text('SELECT start, "end", text FROM retrieval_passages WHERE document_id = :id'), {"id": row.id}
            ).all()
            assert pieces
            assert all(row.text[piece.start : piece.end] == piece.text for piece in pieces)
    held = {row.path: "new" if "The new rule" in row.text else "old" for row in rows}
    assert all("The old rule" in row.text or "The new rule" in row.text for row in rows)
    if editions == ["old"]:
        assert set(held) >= {f"rule{number}.md" for number in (1, 2, 3)}
    if editions == ["old", "new"]:
        assert held == {f"rule{number}.md": "new" for number in (1, 2, 3)}
    if held:
        assert library.search(["books"], "rule number2 says what to do in case2", floor=0.0).passages or (
            "rule2.md" not in held
        )
    write_books(base / "books", "new")
    library.sync("books", base / "books")
    found = library.search(["books"], "rule number3 says what to do", top_k=20, floor=0.0).passages
    assert {passage.text.split()[1] for passage in found} == {"new"}
    assert library.stores()[0].documents == 3
    assert library.sync("books", base / "books").passages_embedded == 0
    assert not list((base / "indexes").glob("*.tmp"))
    database.close()


def check_personas(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """Reading changes nothing: the file is one edition or the other."""
    path = base / "personas" / "plain.yaml"
    if done:
        assert path.read_text().rstrip().endswith(("old.", "new."))


CHECKS: dict[str, Callable[[Path, Sequence[Fact], Fact | None], None]] = {
    "adapters": check_adapters,
    "approvals": check_approvals,
    "keys": check_keys,
    "knowledge": check_knowledge,
    "personas": check_personas,
    "datasets": check_datasets,
    "hooks": check_hooks,
    "rollouts": check_rollouts,
    "jobs": check_jobs,
    "evaluations": check_evaluations,
    **DOCUMENT_CHECKS,
}
