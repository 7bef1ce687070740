"""Signed webhooks: who is let in, what is answered and what is told, over the real gateway and a real receiver."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from actions import ApprovalState, NetworkGrants, SecretRefused, Secrets
from core.errors import InvalidRequest, Unavailable
from core.ids import PersonaId
from core.principal import Scope
from server.engine_port import Readiness
from server.hooks.courier import Courier
from server.hooks.hooks import Hooks
from server.hooks.job import Callback, CallbackState, Job, JobState, Outcome, done
from server.hooks.signature import signed
from server.hooks.store import HookJobs
from server.personas.schema import HookPart
from server.settings import ROOT
from tests.databases import new_database
from tests.fakes.crm import Crm, running_crm
from tests.fakes.receiver import Receiver, running_receiver
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import DOCUMENT

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000
KEY = "a-key-of-the-crm-that-signs-both-ways"
OTHER = "a-key-of-another-program-altogether"
SECRETS = """\
crm-hook: {{value: "{key}", hosts: ["{host}"], personas: [clerk], kind: signing}}
other-hook: {{value: "{other}", hosts: ["{host}"], kind: signing}}
sent: {{value: "{key}", hosts: ["{host}"]}}
"""
CLERK = """\
id: clerk
name: Clerk
instructions: You keep contacts.
access: {keys: [somebody-else]}
integrations:
  hooks:
    - {name: crm, secret: crm-hook}
    - {name: other, secret: other-hook}
actions:
  - document: contacts.yaml
    server: URL
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


def _secrets(folder: Path, receiver: Receiver) -> Path:
    path = folder / "secrets.yaml"
    path.write_text(SECRETS.format(key=KEY, other=OTHER, host=receiver.host))
    return path


@pytest.fixture
async def clerk(start: Start, crm: Crm, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    hosts = f"{crm.host},{receiver.host}"
    path = _secrets(tmp_path, receiver)
    async with start({"clerk": CLERK.replace("URL", crm.url)}, private_hosts=hosts, secrets_file=path) as gateway:
        assert gateway.services.personas.problems == ()
        yield gateway


def _question(**fields: Any) -> bytes:
    return json.dumps({"delivery": "event-0001", "input": "Is Ada there?", **fields}).encode()


async def _post(
    gateway: Gateway,
    content: bytes,
    *,
    key: str = KEY,
    at: int = NOW,
    persona: str = "clerk",
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    sent = {
        "content-type": "application/json",
        "x-repertory-timestamp": str(at),
        "x-repertory-signature": signed(key.encode(), at, content),
        **(headers or {}),
    }
    async with gateway.http() as http:
        return await http.post(f"/api/hooks/{persona}", content=content, headers=sent)


async def _wait_for(receiver: Receiver, count: int) -> list[Any]:
    found: list[Any] = await anyio.to_thread.run_sync(receiver.wait_for, count)
    return found


async def _settled(gateway: Gateway, job: str) -> dict[str, Any]:
    """Return a job once it is over and its callback taken."""
    with anyio.fail_after(30):
        while True:
            async with gateway.admin() as admin:
                shown: dict[str, Any] = (await admin.get(f"/api/hooks/jobs/{job}")).json()
            waits = shown["callback"] is not None and shown["callback"]["state"] == "pending"
            if shown["state"] in ("done", "failed") and not waits:
                return shown
            await anyio.sleep(0.02)
            gateway.services.hooks.wake()


async def test_a_signed_question_is_answered_by_a_callback_that_is_signed_alike(
    clerk: Gateway, receiver: Receiver
) -> None:
    clerk.engine.will("look_up", '{"who": "Ada"}', "Ada is there.")
    taken = await _post(clerk, _question(callback_url=receiver.url, reference="deal 7"))
    assert taken.status_code == 202
    job = taken.json()["id"]
    (callback,) = await _wait_for(receiver, 1)
    assert callback.signed_by(KEY)
    assert not callback.signed_by(OTHER)
    assert callback.headers["x-repertory-delivery"] == callback.told["delivery"]
    assert callback.told == {
        "delivery": callback.told["delivery"],
        "job": job,
        "persona": "clerk",
        "reference": "deal 7",
        "status": "done",
        "answer": "Ada is there.",
        "citations": [],
        "approvals": [],
        "error": None,
    }
    shown = await _settled(clerk, job)
    assert (shown["state"], shown["callback"]["state"], shown["answer"]) == ("done", "delivered", "Ada is there.")
    assert (shown["hook"], shown["callback"]["attempts"], shown["callback"]["last_status"]) == ("crm", 1, 204)


async def test_whoever_does_not_sign_is_turned_away_and_learns_nothing(clerk: Gateway) -> None:
    content = _question()
    good = signed(KEY.encode(), NOW, content)
    refused = [
        await _post(clerk, content, key="a wrong key that is long enough"),
        await _post(clerk, content + b" ", headers={"x-repertory-signature": good}),
        await _post(clerk, content, at=NOW - 301),
        await _post(clerk, content, at=NOW + 301),
        await _post(clerk, content, headers={"x-repertory-timestamp": "soon"}),
        await _post(clerk, content, headers={"x-repertory-timestamp": ""}),
        await _post(clerk, content, headers={"x-repertory-timestamp": "9" * 400}),
        await _post(clerk, content, headers={"x-repertory-signature": ""}),
        await _post(clerk, content, headers={"x-repertory-signature": good.removeprefix("v1=")}),
        await _post(clerk, content, persona="plain"),
        await _post(clerk, content, persona="nobody"),
    ]
    assert {(one.status_code, one.json()["error"]["code"]) for one in refused} == {(401, "invalid_signature")}
    assert refused[-1].json() == refused[-2].json() == refused[0].json()
    assert clerk.engine.requests == []
    assert (await _post(clerk, content, at=NOW - 299)).status_code == 202


async def test_a_replay_is_the_same_job_and_a_delivery_cannot_say_two_things(clerk: Gateway) -> None:
    clerk.engine.will("none", "Yes.")
    first = await _post(clerk, _question())
    again = await _post(clerk, _question())
    assert again.json()["id"] == first.json()["id"]
    await _settled(clerk, first.json()["id"])
    other = await _post(clerk, _question(input="Something else"))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "delivery_reused")
    assert len(clerk.engine.requests) == 2
    same_id_elsewhere = await _post(clerk, _question(), key=OTHER)
    assert same_id_elsewhere.status_code == 202
    assert same_id_elsewhere.json()["id"] != first.json()["id"]


async def test_the_recipe_of_the_documentation_is_let_in(clerk: Gateway) -> None:
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    recipe: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], recipe)
    content = _question()
    value = recipe["signature"](KEY, NOW, content)
    assert (await _post(clerk, content, headers={"x-repertory-signature": value})).status_code == 202


async def test_of_two_signatures_either_counts_so_that_a_secret_can_be_changed(clerk: Gateway) -> None:
    content = _question()
    both = f"v1={'0' * 64}, {signed(KEY.encode(), NOW, content)}"
    assert (await _post(clerk, content, headers={"x-repertory-signature": both})).status_code == 202


async def test_an_answer_goes_to_hosts_of_the_secret_alone(clerk: Gateway, receiver: Receiver) -> None:
    for url, status in {
        "https://elsewhere.example/answers": 403,
        "http://169.254.169.254/latest": 403,
        f"http://{receiver.host.replace('127.0.0.1', 'localhost')}/x": 403,
        "file:///etc/passwd": 400,
        f"http://user@{receiver.host}/x": 400,
        "/answers": 400,
    }.items():
        answer = await _post(clerk, _question(callback_url=url))
        assert (url, answer.status_code) == (url, status)
    assert receiver.received == []


async def test_a_call_that_waits_is_told_and_after_the_decision_made_once_and_told(
    clerk: Gateway, crm: Crm, receiver: Receiver
) -> None:
    clerk.engine.will("remove", '{"contact": "7"}')
    job = (await _post(clerk, _question(input="Remove 7", callback_url=receiver.url))).json()["id"]
    (waiting,) = await _wait_for(receiver, 1)
    (pending,) = clerk.services.approvals.list(ApprovalState.PENDING)
    assert waiting.told["status"] == "needs_approval"
    assert [one["id"] for one in waiting.told["approvals"]] == [pending.id]
    assert waiting.told["approvals"][0]["arguments"] == {"contact": "7"}
    assert pending.principal == "hook:crm"
    assert [path for method, path in crm.requests if method == "DELETE"] == []
    clerk.engine.will("It is gone.")
    async with clerk.admin() as admin:
        assert (await admin.get(f"/api/hooks/jobs/{job}")).json()["state"] == "waiting"
        decided = await admin.post(f"/api/approvals/{pending.id}", json={"decision": "approve"})
    assert decided.status_code == 200
    _, done_ = await _wait_for(receiver, 2)
    assert (done_.told["status"], done_.told["answer"]) == ("done", "It is gone.")
    assert done_.told["delivery"] != waiting.told["delivery"]
    assert [path for method, path in crm.requests if method == "DELETE"] == ["/crm/v3/objects/contacts/7"]
    assert (await _settled(clerk, job))["state"] == "done"


async def test_a_job_is_shown_to_its_hook_and_to_administrators_only(clerk: Gateway) -> None:
    clerk.engine.will("none", "Yes.")
    job = (await _post(clerk, _question())).json()["id"]
    await _settled(clerk, job)
    path = f"/api/hooks/jobs/{job}"
    chatter = f"Bearer {clerk.secret('chatter', Scope.CHAT)}"

    def headers(key: str, content: str) -> dict[str, str]:
        return {
            "x-repertory-timestamp": str(NOW),
            "x-repertory-signature": signed(key.encode(), NOW, content.encode()),
        }

    async with clerk.http() as http:
        mine = await http.get(path, headers=headers(KEY, path))
        refused = [
            await http.get(path),
            await http.get(path, headers={"authorization": chatter}),
            await http.get(path, headers=headers(OTHER, path)),
            await http.get(path, headers=headers(KEY, "/api/hooks/jobs/hook-0")),
            await http.get("/api/hooks/jobs/hook-0", headers=headers(KEY, "/api/hooks/jobs/hook-0")),
            await http.get("/api/hooks/jobs", headers={"authorization": chatter}),
            await http.post(f"{path}/retry", json={}, headers={"authorization": chatter}),
        ]
    assert (mine.status_code, mine.json()["answer"]) == (200, "Yes.")
    assert [one.status_code for one in refused] == [401, 403, 401, 401, 401, 403, 403]
    async with clerk.admin() as admin:
        assert [one["id"] for one in (await admin.get("/api/hooks/jobs")).json()["data"]] == [job]
        again = await admin.post(f"{path}/retry", json={})
        assert again.status_code == 409


async def test_bodies_are_bounded_and_unknown_fields_refused(clerk: Gateway) -> None:
    long = await _post(clerk, _question(input="x" * 256_000))
    unknown = await _post(clerk, _question(model="other"))
    broken = await _post(clerk, b"{")
    assert [one.status_code for one in (long, unknown, broken)] == [413, 400, 400]
    assert unknown.json()["error"]["param"] == "model"


async def test_a_question_waits_while_the_engine_is_away(clerk: Gateway) -> None:
    clerk.readiness.append(Readiness(False, "vLLM is starting.", 5.0))
    job = (await _post(clerk, _question())).json()["id"]
    with anyio.fail_after(30):
        while (await anyio.to_thread.run_sync(clerk.services.hooks.store.get, job))[0].next_at == NOW:
            await anyio.lowlevel.checkpoint()
    shown = (await anyio.to_thread.run_sync(clerk.services.hooks.store.get, job))[0]
    assert (shown.state, shown.attempts, shown.next_at) == (JobState.QUEUED, 0, NOW + 10)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("missing", "There is no secret 'missing'"),
        ("sent", "cannot sign"),
        ("crm-hook", "not bound to the persona 'teller'"),
    ],
)
async def test_a_persona_whose_hook_cannot_sign_is_a_problem_of_its_file(
    start: Start, receiver: Receiver, tmp_path: Path, secret: str, problem: str
) -> None:
    teller = "id: teller\nname: T\ninstructions: T.\nintegrations: {hooks: [{name: crm, secret: SECRET}]}\n"
    path = _secrets(tmp_path, receiver)
    async with start({"teller": teller.replace("SECRET", secret)}, secrets_file=path) as gateway:
        (found,) = gateway.services.personas.problems
    assert problem in found.message


def test_a_signing_secret_is_never_sent(receiver: Receiver, tmp_path: Path) -> None:
    secrets, grants = Secrets.read(_secrets(tmp_path, receiver)), NetworkGrants.parse([receiver.host])
    with pytest.raises(SecretRefused, match="is never sent"):
        secrets.get("crm-hook", PersonaId("clerk"), httpx.URL(receiver.url), grants)


def test_a_key_that_could_be_found_by_trying_refuses_the_secrets_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text("crm-hook: {value: a-key-of-23-characters-, hosts: [crm.example], kind: signing}\n")
    with pytest.raises(InvalidRequest, match="at least 24 printable"):
        Secrets.read(path)


@dataclass
class Scene:
    """The worker alone, with a clock that a test moves and answers that it writes."""

    hooks: Hooks
    receiver: Receiver
    now: float = NOW
    asked: int = 0
    failure: Exception | None = None
    begun: anyio.Event = field(default_factory=anyio.Event)
    endless: bool = False

    async def answer(self, job: Job) -> Outcome:
        self.asked += 1
        self.begun.set()
        if self.endless:
            await anyio.sleep_forever()
        if self.failure is not None:
            raise self.failure
        return done(f"answer {self.asked}", [])

    def decided(self, job: Job) -> bool:
        return False

    def take(self, delivery: str = "event-0001") -> Job:
        return self.hooks.store.accept(
            PersonaId("clerk"),
            "crm",
            delivery=delivery,
            content=delivery.encode(),
            question="?",
            reference=None,
            callback_url=self.receiver.url,
        )

    async def until(self, count: int) -> None:
        """Let the worker run until so many callbacks came and nothing is due any more."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.hooks.run, self)
            await _wait_for(self.receiver, count)
            with anyio.fail_after(30):
                while not self.hooks.idle:
                    await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()


@pytest.fixture
async def scene(receiver: Receiver, tmp_path: Path) -> AsyncIterator[Scene]:
    database = new_database(tmp_path / "hooks.db")
    scenes: list[Scene] = []

    def clock() -> float:
        return scenes[0].now

    courier = Courier(Secrets.read(_secrets(tmp_path, receiver)), NetworkGrants.parse([receiver.host]), clock)
    hook = HookPart(name="crm", secret="crm-hook")
    scenes.append(Scene(Hooks(HookJobs(database, clock), courier, clock, lambda _: [hook]), receiver))
    yield scenes[0]
    await scenes[0].hooks.aclose()
    database.close()


async def _told(scene: Scene, job: Job, count: int) -> Callback:
    await scene.until(count)
    _, callback = scene.hooks.store.get(job.id)
    assert callback is not None
    return callback


async def test_a_callback_that_is_not_taken_is_tried_for_a_day_with_the_same_words(scene: Scene) -> None:
    job = scene.take()
    scene.receiver.statuses = [500, 302, 404, 503] + [500] * 40
    pauses: list[float] = []
    callback = await _told(scene, job, 1)
    while callback.state is CallbackState.PENDING:
        pauses.append(callback.next_at - scene.now)
        scene.now = callback.next_at
        callback = await _told(scene, job, len(pauses) + 1)
    assert callback.state is CallbackState.GIVEN_UP
    assert pauses[:4] == [10, 20, 40, 80]
    assert max(pauses) == 3_600
    assert 86_400 <= sum(pauses) < 90_001
    assert scene.asked == 1
    assert len({one.body for one in scene.receiver.received}) == 1
    assert len({one.headers["x-repertory-delivery"] for one in scene.receiver.received}) == 1
    assert all(one.signed_by(KEY) for one in scene.receiver.received)
    scene.receiver.statuses.clear()
    scene.hooks.store.retry(job.id)
    again = await _told(scene, job, len(scene.receiver.received) + 1)
    assert again.state is CallbackState.DELIVERED
    assert len({one.body for one in scene.receiver.received}) == 1


async def test_a_receiver_that_is_gone_for_good_is_not_asked_again(scene: Scene) -> None:
    job = scene.take()
    scene.receiver.statuses = [410]
    assert (await _told(scene, job, 1)).state is CallbackState.GIVEN_UP


async def test_what_cannot_be_answered_within_a_day_fails_and_says_so_and_may_be_tried_again(scene: Scene) -> None:
    job = scene.take()
    scene.failure = Unavailable("The engine is away.", code="engine_unavailable")
    scene.now += 86_401
    await scene.until(1)
    assert scene.receiver.received[0].told["status"] == "failed"
    assert scene.receiver.received[0].told["error"]["code"] == "engine_unavailable"
    assert scene.hooks.store.get(job.id)[0].state is JobState.FAILED
    scene.failure = None
    scene.hooks.store.retry(job.id)
    await scene.until(2)
    assert scene.receiver.received[1].told["answer"] == "answer 2"


async def test_a_job_that_takes_the_server_down_is_given_up_and_a_defect_fails_alone(scene: Scene) -> None:
    bad = scene.take()
    for number in range(5):
        scene.hooks.store.begin(replace(bad, attempts=number))
    scene.failure = KeyError("secret words")
    scene.take("event-0002")
    await scene.until(2)
    codes = {one.told["error"]["code"] for one in scene.receiver.received}
    assert codes == {"server_error", "internal_error"}
    assert scene.asked == 1
    assert "secret words" not in str(scene.receiver.received)


async def test_a_server_that_is_stopped_in_the_middle_does_not_count_it(scene: Scene) -> None:
    job = scene.take()
    scene.endless = True
    async with anyio.create_task_group() as group:
        group.start_soon(scene.hooks.run, scene)
        await scene.begun.wait()
        group.cancel_scope.cancel()
    kept = scene.hooks.store.get(job.id)[0]
    assert (kept.state, kept.attempts) == (JobState.QUEUED, 0)


async def test_what_ended_a_week_ago_is_deleted_and_what_is_open_stays(scene: Scene) -> None:
    ended = scene.take()
    await scene.until(1)
    scene.now += 7 * 86_400 + 1
    open_ = scene.take("event-0002")
    assert scene.hooks.store.sweep() == 1
    assert [job.id for job, _ in scene.hooks.store.list()] == [open_.id]
    assert scene.take().id != ended.id


async def test_after_a_restore_open_jobs_are_over_and_nobody_is_told(scene: Scene) -> None:
    job = scene.take()
    assert scene.hooks.store.give_up() == 1
    kept, callback = scene.hooks.store.get(job.id)
    assert (kept.state, callback) == (JobState.FAILED, None)
