"""A rollout under traffic: who is answered by which version, what is seen, and how it ends by itself."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import openai
import pytest

from adapters import VersionState
from adapters.retirement import AdapterRetired, Retirement
from adapters.rollouts.course import Turn
from adapters.rollouts.observations import Observations
from adapters.rollouts.plan import Arm
from adapters.rollouts.rollout import Rollout
from adapters.rollouts.store import Rollouts
from adapters.rollouts.tally import Fault
from core.database import Database
from core.errors import Unavailable
from core.principal import Scope
from server.engine_port import Who
from server.rollouts.promoter import Promoter
from server.turn.seen import Seen, loops
from tests.fakes.engine import FakeEngine, Reply, running_engine
from tests.server.conftest import text_of
from tests.server.trial import COACH, Trial, trial

pytestmark = pytest.mark.anyio
AUTOMATIC = COACH.replace("{adapter: coach}", "{adapter: coach, promotion: automatic}")
USERS = [f"user-{number}" for number in range(40)]


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with running_engine() as running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, engine: FakeEngine, anyio_backend: str) -> AsyncIterator[Trial]:
    async with trial(tmp_path, engine) as running:
        yield running


class FailsOnce(Rollouts):
    """Cannot write the first end of a rollout."""

    def __init__(self, world: Trial, error: Exception) -> None:
        super().__init__(world.database, world.registry, lambda: 0.0)
        self.error: Exception | None = error

    def stop(self, *given: Any, **named: Any) -> Rollout:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return super().stop(*given, **named)


async def asked(world: Trial, users: list[str] = USERS, question: str = "Hello") -> dict[str, str]:
    """Ask once for each user; return who was answered by what."""
    return {user: (await world.ask(user, question))["adapter"] for user in users}


async def until(world: Trial, rollout: str, state: str) -> dict[str, Any]:
    with anyio.fail_after(30):
        while (shown := await world.show(rollout))["state"] != state:
            await anyio.sleep(0.02)
    return shown


async def test_half_of_the_users_meet_the_new_version_and_each_stays_with_theirs(world: Trial) -> None:
    await world.start(stage="50")
    first, again = await asked(world), await asked(world, question="And now?")
    assert first == again
    assert set(first.values()) == {"coach@1", "coach@2"}


async def test_a_ramp_adds_users_and_takes_nobody_back(world: Trial) -> None:
    rollout = await world.start(stage="5")
    before = {user for user, version in (await asked(world)).items() if version == "coach@2"}
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "50"})
    after = {user for user, version in (await asked(world, question="Next?")).items() if version == "coach@2"}
    assert before < after
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "100"})
    assert set((await asked(world, question="Third?")).values()) == {"coach@2"}


async def test_a_conversation_that_production_has_begun_is_ended_by_it(world: Trial) -> None:
    named = {"include": True, "conversation": "one"}
    answer = await world.gateway.ask("coach", "Hello", user="ann", extra_body={"repertory": named})
    assert answer.model_dump()["repertory"]["adapter"] == "coach@1"
    rollout = await world.start(stage="100")
    answer = await world.gateway.ask("coach", "Go on", user="ann", extra_body={"repertory": named})
    assert answer.model_dump()["repertory"]["adapter"] == "coach@1"
    assert (await world.ask("ann", "Something else"))["adapter"] == "coach@2"
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "production"})
    answer = await world.gateway.ask("coach", "And on", user="ann", extra_body={"repertory": named})
    assert answer.model_dump()["repertory"]["adapter"] == "coach@2"


async def in_conversations(world: Trial, question: str = "Hello") -> dict[str, str]:
    """Ask in one conversation of each user; return what answered."""
    return {user: await told(world, user, f"of-{user}", question) for user in USERS}


async def told(world: Trial, user: str, conversation: str, question: str = "Hello") -> str:
    named = {"repertory": {"include": True, "conversation": conversation}}
    answer = await world.gateway.ask("coach", question, user=user, extra_body=named)
    return str(answer.model_dump()["repertory"]["adapter"])


async def units(world: Trial, rollout: str) -> list[int]:
    arms = (await world.show(rollout))["arms"]
    return [arms["canary"]["units"], arms["control"]["units"]]


async def test_conversations_that_production_has_begun_are_compared_in_neither_arm(world: Trial) -> None:
    await in_conversations(world)
    rollout = await world.start(stage="5")
    await in_conversations(world, "Go on")
    assert await units(world, rollout) == [0, 0]
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "50"})
    assert set((await in_conversations(world, "And on")).values()) == {"coach@1"}
    assert await units(world, rollout) == [0, 0]
    versions = list((await asked(world)).values())
    assert await units(world, rollout) == [versions.count("coach@2"), versions.count("coach@1")]


async def test_conversations_of_the_shadow_go_on_in_neither_arm(world: Trial) -> None:
    rollout = await world.start(stage="shadow")
    await in_conversations(world)
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "50"})
    assert set((await in_conversations(world, "Go on")).values()) == {"coach@1"}
    assert await units(world, rollout) == [0, 0]


async def test_after_a_restart_conversations_are_compared_only_if_they_were_before(
    tmp_path: Path, engine: FakeEngine
) -> None:
    async with trial(tmp_path, engine) as before:
        await in_conversations(before)
        rollout = await before.start(stage="50", unit="conversation")
        await in_conversations(before, "Go on")
        first = {user: await told(before, user, f"new-{user}") for user in USERS[:10]}
        counts = await units(before, rollout)
    assert sum(counts) == 10
    async with trial(tmp_path, engine) as after:
        after.gateway.secrets.update(before.gateway.secrets)
        assert set((await in_conversations(after, "And on")).values()) == {"coach@1"}
        assert {user: await told(after, user, f"new-{user}", "And you?") for user in USERS[:10]} == first
        assert await units(after, rollout) == counts
        arms = (await after.show(rollout))["arms"]
        assert [arms["canary"]["turns"], arms["control"]["turns"]] == [2 * count for count in counts]


async def test_a_turn_that_began_in_the_shadow_fills_no_arm_though_it_ends_in_the_canary(world: Trial) -> None:
    rollout = await world.start(stage="shadow")
    world.as_version({"coach@1": Reply(text="one two three four five six", pause=0.05)})

    async def ask() -> None:
        await world.gateway.stream("coach", "Count.", user="ann")

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with anyio.fail_after(20):
            while not world.engine.tokens:
                await anyio.sleep(0.01)
        await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "50"})
    arms = (await world.show(rollout))["arms"]
    assert (arms["control"]["turns"], arms["control"]["units"]) == (1, 0)


async def test_a_conversation_of_a_pause_goes_on_with_its_version_afterwards(world: Trial) -> None:
    rollout = await world.start(stage="50")
    first = await in_conversations(world)
    assert set(first.values()) == {"coach@1", "coach@2"}
    await world.call("POST", f"/api/rollouts/{rollout}/pause")
    assert set((await in_conversations(world, "Meanwhile?")).values()) == {"coach@1"}
    assert await told(world, "zoe", "begun in the pause") == "coach@1"
    await world.call("POST", f"/api/rollouts/{rollout}/resume")
    assert await in_conversations(world, "Again?") == first
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "100"})
    assert await told(world, "zoe", "begun in the pause") == "coach@1"


async def test_whoever_asks_is_told_version_arm_and_rollout(world: Trial) -> None:
    before = await world.ask("ann")
    assert (before["adapter"], before["arm"], before["rollout"]) == ("coach@1", None, None)
    rollout = await world.start(stage="100")
    during = await world.ask("ann", "Again?")
    assert (during["adapter"], during["arm"], during["rollout"]) == ("coach@2", "canary", rollout)


async def test_the_arms_are_counted_and_shown_with_the_state_of_the_test(world: Trial) -> None:
    rollout = await world.start(stage="50")
    versions = await asked(world)
    shown = await world.show(rollout)
    arms = shown["arms"]
    assert arms["canary"]["turns"] == list(versions.values()).count("coach@2")
    assert arms["canary"]["units"] + arms["control"]["units"] == len(USERS)
    assert shown["test"]["finding"] == "running"
    page = await world.call("GET", f"/api/rollouts/{rollout}/page")
    assert page.headers["content-type"].startswith("text/html")
    assert "coach@2 beside coach@1" in page.text
    assert "<script" not in page.text


async def test_a_stop_takes_effect_at_the_next_turn_and_loads_nothing(world: Trial) -> None:
    rollout = await world.start(stage="100")
    assert world.plugin.resident == {"coach@1": True, "coach@2": True}
    assert (await world.ask("ann"))["adapter"] == "coach@2"
    probes = len(world.plugin.probes)
    for name in world.plugin.registered:
        world.plugin.held[name] = threading.Event()  # a load would hang
    with anyio.fail_after(20):
        await world.conduct.stop(rollout, by="ann", reason="rude")
    begun = time.perf_counter()
    assert world.releases.answering("coach", Who("key:x|ann", "another")).engine_name == "coach@1"
    assert time.perf_counter() - begun < 0.05
    assert (await world.ask("ann", "Later?"))["adapter"] == "coach@1"
    assert len(world.plugin.probes) == probes
    assert world.plugin.resident == {"coach@1": True, "coach@2": False}


async def test_a_turn_in_flight_ends_on_the_version_that_it_began_with(world: Trial) -> None:
    rollout, texts = await world.start(stage="100"), []
    world.as_version({"coach@2": Reply(text="one two three four five six", pause=0.05)})

    async def ask() -> None:
        texts.append(text_of(await world.gateway.stream("coach", "Count.", user="ann")))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with anyio.fail_after(20):
            while not world.engine.tokens:
                await anyio.sleep(0.01)
        await world.call("POST", f"/api/rollouts/{rollout}/stop")
    assert texts == ["one two three four five six"]


async def test_too_many_empty_answers_end_a_rollout_by_itself(world: Trial) -> None:
    rollout = await world.start(stage="50", stops={"turns": 5})
    world.as_version({"coach@2": Reply(text="")})
    await asked(world)
    assert set((await asked(world, question="Still?")).values()) == {"coach@1"}
    shown = await until(world, rollout, "broken_off")
    assert "were empty" in shown["steps"][-1]["reason"]
    assert shown["steps"][-1]["by"] == "rollout"
    assert world.registry.get("coach", 2).state.value == "rolled_back"


async def test_the_end_of_a_rollout_that_a_kill_kept_from_the_record_comes_with_the_next_start(
    tmp_path: Path, engine: FakeEngine
) -> None:
    async with trial(tmp_path, engine) as before:
        rollout = await before.start(stage="100", stops={"turns": 5})
    with closing(Database(tmp_path / "repertory.db")) as database:
        lost = [
            Turn(rollout, f"answer-{number}", Arm.CANARY, f"unit-{number}", "100", Fault.EMPTY, 1.0, 0.0)
            for number in range(5)
        ]
        Observations(database, lambda: 0.0).add(lost)
    async with trial(tmp_path, engine) as after:
        after.gateway.secrets.update(before.gateway.secrets)
        assert (await after.ask("ann"))["adapter"] == "coach@1"
        shown = await until(after, rollout, "broken_off")
        assert "were empty" in shown["steps"][-1]["reason"]
        assert after.registry.get("coach", 2).state is VersionState.ROLLED_BACK


async def test_an_end_that_a_defect_keeps_from_the_record_is_written_later(world: Trial) -> None:
    rollout = await world.start(stage="100", stops={"turns": 5})
    world.conduct.rollouts = broken = FailsOnce(world, RuntimeError("a defect"))
    world.as_version({"coach@2": Reply(text="")})
    await asked(world, USERS[:5])
    await until(world, rollout, "broken_off")
    assert broken.error is None


@pytest.mark.parametrize("status", [400, 404, 429, 503])
async def test_what_no_version_is_to_blame_for_ends_no_rollout(world: Trial, status: int) -> None:
    rollout = await world.start(stage="50", stops={"turns": 5})
    world.as_version({"coach@2": Reply(status=status, message="a bad value")})
    for user in USERS:
        with suppress(openai.APIStatusError):
            await world.ask(user)
    shown = await world.show(rollout)
    assert (shown["state"], shown["arms"]["canary"]["turns"]) == ("running", 0)
    assert shown["arms"]["control"]["turns"] > 5


async def test_an_engine_in_trouble_ends_no_rollout_where_nothing_is_left_to_compare_with(world: Trial) -> None:
    rollout = await world.start(stage="50", stops={"turns": 5})
    await asked(world, USERS[:5])
    await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "100"})
    for reply in (Reply(status=500), Reply(dies_after=0)):
        world.as_version({"coach@2": reply})
        for user in USERS[:10]:
            with pytest.raises(openai.APIStatusError):
                await world.ask(user, "Still?")
    shown = await world.show(rollout)
    assert (shown["state"], shown["arms"]["canary"]["faults"]["error"]) == ("running", 0)


async def test_errors_of_the_new_version_alone_end_a_rollout(world: Trial) -> None:
    rollout = await world.start(stage="50", stops={"turns": 5})
    world.as_version({"coach@2": Reply(status=500)})
    for user in USERS:
        with suppress(openai.APIStatusError):
            await world.ask(user)
    assert "ended with an error" in (await until(world, rollout, "broken_off"))["steps"][-1]["reason"]


async def test_answers_that_nobody_waits_for_count_with_the_time_that_they_took(world: Trial) -> None:
    rollout = await world.start(stage="50")
    versions = await asked(world)
    slow = next(user for user, version in versions.items() if version == "coach@2")
    world.as_version({"coach@2": Reply(text="one two three four five six", pause=0.5)})
    with anyio.move_on_after(2):
        await world.gateway.stream("coach", "Count.", user=slow)
    with anyio.fail_after(20):
        while not (shown := await world.show(rollout))["arms"]["canary"]["faults"]["abandoned"]:
            await anyio.sleep(0.02)
    assert shown["arms"]["canary"]["turns"] == list(versions.values()).count("coach@2")
    assert shown["arms"]["canary"]["faults"]["abandoned"] == 1


async def test_an_outcome_is_counted_once_and_an_unsafe_one_ends_the_rollout(world: Trial) -> None:
    rollout = await world.start(stage="100", metric="outcome")
    answer = await world.ask("ann")
    path = f"/api/rollouts/{rollout}/outcomes"
    assert (await world.call("POST", path, {"response": answer["response"], "outcome": 1})).json()["taken"]
    assert not (await world.call("POST", path, {"response": answer["response"], "outcome": 0})).json()["taken"]
    assert (await world.show(rollout))["arms"]["canary"]["good"] == 1
    assert (await world.call("POST", path, {"response": "chatcmpl-none", "outcome": 1})).status_code == 404
    other = await world.ask("bob")
    await world.call("POST", path, {"response": other["response"], "unsafe": True})
    await until(world, rollout, "broken_off")
    assert (await world.ask("ann", "Now?"))["adapter"] == "coach@1"


async def test_a_shadow_is_asked_after_the_user_and_shown_to_nobody(world: Trial) -> None:
    rollout = await world.start(stage="shadow")
    world.as_version({"coach@2": Reply(text="Hello from the shadow.")})
    answer = await world.ask("ann", "What now?")
    assert answer["text"] == "Hello from the engine."
    with anyio.fail_after(30):
        while not (shown := await world.show(rollout))["arms"]["shadow"]["turns"]:
            await anyio.sleep(0.02)
    assert 0 < shown["similarity"] < 1
    models = [one["model"] for one in world.engine.requests if one["messages"][-1]["content"] == "What now?"]
    assert models == ["coach@1", "coach@2"]


async def test_metrics_tell_the_arms_apart(world: Trial) -> None:
    await world.start(stage="100")
    await world.ask("ann")
    text = (await world.gateway.services.metrics.text()).decode()
    labels = 'persona="coach",adapter="coach@2",arm="canary"'
    assert f'repertory:rollout_turns_total{{{labels},result="stop"}} 1' in text
    assert f"repertory:rollout_turn_seconds_count{{{labels}}} 1" in text


async def test_a_pause_lets_production_answer_and_everyone_comes_back_to_their_version(world: Trial) -> None:
    rollout = await world.start(stage="50")
    first = await asked(world)
    await world.call("POST", f"/api/rollouts/{rollout}/pause", {"reason": "lunch"})
    assert set((await asked(world, question="Meanwhile?")).values()) == {"coach@1"}
    await world.call("POST", f"/api/rollouts/{rollout}/resume")
    assert await asked(world, question="Again?") == first


async def test_the_last_stage_lets_the_new_version_answer_everyone_and_keeps_the_old_one_ready(
    world: Trial,
) -> None:
    rollout = await world.start(stage="50")
    ended = await world.call("POST", f"/api/rollouts/{rollout}/advance", {"to": "production"})
    assert ended.json()["state"] == "promoted"
    assert set((await asked(world)).values()) == {"coach@2"}
    assert world.plugin.resident == {"coach@1": True, "coach@2": True}
    back = await world.call("POST", "/api/adapters/coach/rollback")
    assert back.json()["version"] == 1


async def test_a_rollback_while_a_rollout_is_under_way_ends_the_rollout(world: Trial) -> None:
    rollout = await world.start(stage="100")
    back = await world.call("POST", "/api/adapters/coach/rollback", {"reason": "complaints"})
    assert back.json()["version"] == 1
    assert (await world.show(rollout))["state"] == "stopped"
    assert (await world.ask("ann"))["adapter"] == "coach@1"


async def test_a_rollback_that_meets_the_end_of_a_rollout_takes_back_what_was_promoted(world: Trial) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Rollouts):
        def advance(self, *given: Any, **named: Any) -> Rollout:
            begun.set()
            assert go_on.wait(30)
            return super().advance(*given, **named)

    rollout, answers = await world.start(stage="100"), list[httpx.Response]()
    world.conduct.rollouts = Slow(world.database, world.registry, lambda: 0.0)

    async def ask(path: str, body: dict[str, Any]) -> None:
        answers.append(await world.call("POST", path, body))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, f"/api/rollouts/{rollout}/advance", {"to": "production"})
        assert await anyio.to_thread.run_sync(begun.wait, 30)
        group.start_soon(ask, "/api/adapters/coach/rollback", {"reason": "rude"})
        await until_cut(world)
        go_on.set()
    assert [one.status_code for one in answers] == [200, 200]
    assert world.releases.resolve("coach") == "coach@1"
    assert world.registry.get("coach", 2).state is VersionState.ROLLED_BACK


async def until_cut(world: Trial) -> None:
    live = world.releases.live("coach")
    assert live is not None
    with anyio.fail_after(30):
        while not live.cut:
            await anyio.sleep(0.02)


async def test_a_stop_waits_for_no_other_change(world: Trial) -> None:
    rollout = await world.start(stage="100")
    async with anyio.create_task_group() as group, world.releases.changing():  # as while another one is loaded
        group.start_soon(world.call, "POST", f"/api/rollouts/{rollout}/stop")
        await until_cut(world)
        assert (await world.ask("ann"))["adapter"] == "coach@1"
    assert (await world.show(rollout))["state"] == "stopped"


async def test_a_stop_that_cannot_be_written_takes_effect_and_is_written_later(world: Trial) -> None:
    rollout = await world.start(stage="100")
    world.conduct.rollouts = FailsOnce(world, Unavailable("The database is busy."))
    assert (await world.call("POST", f"/api/rollouts/{rollout}/stop", {"reason": "rude"})).status_code == 503
    assert (await world.ask("ann"))["adapter"] == "coach@1"
    last = (await until(world, rollout, "stopped"))["steps"][-1]
    assert (last["reason"], last["by"]) == ("rude", "key:operator")


async def test_what_is_refused_in_the_end_stays_not_in_memory(world: Trial) -> None:
    for version in (2, 3):
        world.registry.retire(Retirement("coach", version, 0.0, "", "ann", "old", 0.0))
    start = await world.call("POST", "/api/rollouts", {"adapter": "coach", "version": 2})
    assert start.status_code == 410
    with pytest.raises(AdapterRetired):
        await world.releases.use("coach", 3, by="ann", reason="now", override=True)
    assert world.plugin.resident == {"coach@1": True, "coach@2": False, "coach@3": False}


async def test_a_rollout_goes_on_after_a_restart_with_the_same_arms_and_counts(
    tmp_path: Path, engine: FakeEngine
) -> None:
    async with trial(tmp_path, engine) as before:
        rollout = await before.start(stage="50")
        first = await asked(before)
        counts = (await before.show(rollout))["arms"]
    async with trial(tmp_path, engine) as after:
        after.gateway.secrets.update(before.gateway.secrets)
        assert (await after.show(rollout))["arms"] == counts
        assert await asked(after, question="Again?") == first


async def test_a_conversation_that_production_has_begun_is_ended_by_it_though_the_server_restarts(
    tmp_path: Path, engine: FakeEngine
) -> None:
    async with trial(tmp_path, engine) as before:
        assert await told(before, "ann", "old") == "coach@1"
        await before.start(stage="100")
        assert await told(before, "ann", "new") == "coach@2"
    async with trial(tmp_path, engine) as after:
        after.gateway.secrets.update(before.gateway.secrets)
        answers = [await told(after, "ann", one) for one in ("old", "new", "other")]
        assert answers == ["coach@1", "coach@2", "coach@2"]


async def test_a_pinned_version_is_in_no_rollout_and_a_retired_one_is_gone(world: Trial) -> None:
    rollout = await world.start(stage="100")
    assert (await pinned(world, 1)).json()["repertory"]["arm"] is None
    assert (await world.show(rollout))["arms"]["canary"]["turns"] == 0
    body = {"version": 3, "at": 0, "successor": "coach@2", "reason": "old"}
    assert (await world.call("POST", "/api/adapters/coach/retire", body)).status_code == 200
    gone = await pinned(world, 3)
    assert gone.status_code == 410
    assert "Use 'coach@2' instead" in gone.json()["error"]["message"]
    assert world.registry.verify("coach", 3)  # its files stay whole: the record refers to them


async def test_a_persona_of_a_retired_adapter_names_what_follows(world: Trial) -> None:
    body = {"at": 0, "successor": "mentor", "reason": "over"}
    await world.call("POST", "/api/adapters/coach/retire", body)
    with pytest.raises(openai.APIStatusError, match="Use 'mentor' instead") as gone:
        await world.ask("ann")
    assert gone.value.status_code == 410


async def test_a_pass_promotes_by_itself_only_where_the_persona_says_so(
    tmp_path: Path, engine: FakeEngine
) -> None:
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "coach.yaml").write_text(AUTOMATIC)
    async with trial(tmp_path, engine) as world:
        for state in (VersionState.EVALUATED, VersionState.CANDIDATE):
            world.registry.transition("coach", 3, state, by="gate", reason="passed")
        with anyio.fail_after(30):
            while world.releases.resolve("coach") != "coach@3":
                await anyio.sleep(0.02)
        steps = [one for one in world.registry.history("coach") if one.version == 3]
        assert [one.to_state.value for one in steps[-2:]] == ["approved", "production"]
        assert {one.by for one in steps[-2:]} == {"gate"}
        assert not any(one.override for one in steps)
        assert world.registry.get("coach", 2).state is VersionState.APPROVED  # a person's word; it stays theirs


async def test_without_that_word_a_candidate_waits_for_a_person(world: Trial) -> None:
    for state in (VersionState.EVALUATED, VersionState.CANDIDATE):
        world.registry.transition("coach", 3, state, by="gate", reason="passed")
    await Promoter(world.registry, world.releases, world.gateway.services.personas.promotes).promote()
    assert world.registry.get("coach", 3).state is VersionState.CANDIDATE


async def test_a_version_is_approved_by_another_than_its_author(world: Trial) -> None:
    for state in (VersionState.EVALUATED, VersionState.CANDIDATE):
        world.registry.transition("coach", 3, state, by="gate", reason="passed")
    path = "/api/adapters/coach/versions/3/approve"
    own = await world.call("POST", path, key="ada")
    assert (own.status_code, own.json()["error"]["code"]) == (403, "approval_by_author")
    lacking = await world.call("POST", path, {"override": True, "reason": "alone"}, key="ada")
    assert "'override'" in lacking.json()["error"]["message"]
    approved = await world.call("POST", path, {"reason": "reads well"})
    assert approved.json()["state"] == "approved"


async def test_two_operators_at_the_same_time_take_one_step_and_start_one_rollout(world: Trial) -> None:
    answers: list[int] = []

    async def ask(path: str, body: dict[str, Any], key: str) -> None:
        answers.append((await world.call("POST", path, body, key=key)).status_code)

    async with anyio.create_task_group() as group:
        for key in ("operator", "another"):
            group.start_soon(ask, "/api/rollouts", {"adapter": "coach", "version": 2, "stage": "5"}, key)
    assert sorted(answers) == [200, 409]
    (rollout,) = world.conduct.rollouts.list("coach")
    async with anyio.create_task_group() as group:
        for key in ("operator", "another"):
            group.start_soon(ask, f"/api/rollouts/{rollout.id}/advance", {"to": "25"}, key)
    assert answers[2:] == [200, 200]
    shown = await world.show(rollout.id)
    assert (shown["stage"], [one["did"] for one in shown["steps"]]) == ("25", ["start", "advance"])


async def test_what_is_not_approved_is_not_tried_and_nothing_is_loaded(world: Trial) -> None:
    answer = await world.call("POST", "/api/rollouts", {"adapter": "coach", "version": 3})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "transition_refused"
    assert "coach@3" not in world.plugin.resident


async def pinned(world: Trial, version: int) -> httpx.Response:
    secret = world.gateway.secret("operator", Scope.ADAPTERS, Scope.CHAT)
    async with world.gateway.http(authorization=f"Bearer {secret}") as http:
        body = {"model": "coach", "messages": [{"role": "user", "content": "Hi"}], "repertory": {"include": True}}
        headers = {"X-Repertory-Adapter-Version": str(version)}
        return await http.post("/v1/chat/completions", json=body, headers=headers)


def test_an_answer_that_goes_round_in_circles_is_seen() -> None:
    assert loops("I am sorry, I do not know. " * 8)
    assert loops("x" * 200)
    assert not loops("The first step is to breathe. The second is to count to ten, and the third to begin again.")
    seen = Seen()
    seen.add({"content": "   "})
    assert seen.fault("stop").value == "empty"
