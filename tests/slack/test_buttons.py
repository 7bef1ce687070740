"""Clicks under answers: decisions on calls, feedback, handing over to a person."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from actions import ApprovalState
from core.ids import PersonaId
from core.principal import Limits, Scope
from integrations.slack.config import SlackApp
from tests.fakes.crm import Crm, running_crm
from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, BOT_USER, GENERAL, HELP, MIRA, OLE, elements
from tests.server.conftest import Gateway, Start
from tests.server.serving import serving
from tests.server.test_actions import CLERK, DOCUMENT
from tests.slack.conftest import GUIDE, Run, World, finished, until

pytestmark = pytest.mark.anyio
ME = f"<@{BOT_USER}>"


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running_one:
        yield running_one


@pytest.fixture(params=[[]])
def gateway(start: Start, crm: Crm, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    clerk = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    clerk += f"integrations:\n  slack: {{channels: [{GENERAL}], approvers: {request.param}}}\n"
    with serving(start({"guide": GUIDE, "clerk": clerk}, private_hosts=crm.host)) as served:
        assert served.services.personas.problems == ()
        yield served


named_approver = pytest.mark.parametrize("gateway", [[OLE]], indirect=True)


async def _waiting(world: World) -> tuple[str, str]:
    """Have a call wait for a person; return the thread and the message with its buttons."""
    world.engine.will("remove", '{"contact": "7"}')
    ts = world.slack.say(f"{ME} Remove contact 7.")
    await until(lambda: finished(world.slack, GENERAL, ts))
    [answer] = world.slack.answers(GENERAL, ts)
    return ts, str(answer["ts"])


def _deletions(crm: Crm) -> list[str]:
    return [path for method, path in crm.requests if method == "DELETE"]


async def test_a_call_is_made_once_the_asker_approves_it_and_its_outcome_told_in_the_thread(
    world: World, crm: Crm
) -> None:
    ts, message = await _waiting(world)
    assert _deletions(crm) == []
    world.engine.will("Contact 7 is gone.")
    world.slack.click(message, "approval_approve")
    await until(lambda: len(world.slack.answers(GENERAL, ts)) == 2 and finished(world.slack, GENERAL, ts))
    assert _deletions(crm) == ["/crm/v3/objects/contacts/7"]
    assert world.slack.answers(GENERAL, ts)[1]["text"] == "Contact 7 is gone."
    await until(lambda: f"Approved by <@{MIRA}>." in str(world.slack.messages[message]["blocks"]))
    assert not [
        one for one in elements(world.slack.messages[message]) if one.get("action_id") == "approval_approve"
    ]


async def test_a_second_click_makes_no_second_call(world: World, crm: Crm) -> None:
    ts, message = await _waiting(world)
    world.engine.will("Contact 7 is gone.")
    value = next(one["value"] for one in elements(world.slack.messages[message]) if one["type"] == "button")
    world.slack.click(message, "approval_approve", value=value)
    world.slack.click(message, "approval_approve", value=value)
    await until(lambda: len(world.slack.answers(GENERAL, ts)) == 2 and finished(world.slack, GENERAL, ts))
    await until(lambda: any("no longer pending" in str(one.get("text")) for one in world.slack.ephemeral))
    assert len(_deletions(crm)) == 1


async def test_somebody_else_cannot_decide_for_the_asker(world: World, crm: Crm) -> None:
    _, message = await _waiting(world)
    world.slack.click(message, "approval_approve", user=OLE)
    await until(lambda: world.slack.ephemeral)
    assert world.slack.ephemeral[0]["text"] == "Only the people who are named for it may decide on this."
    [pending] = world.gateway.services.approvals.list(ApprovalState.PENDING)
    assert pending.operation == "remove"
    assert _deletions(crm) == []


@named_approver
async def test_where_approvers_are_named_the_asker_is_none_of_them(world: World, crm: Crm) -> None:
    ts, message = await _waiting(world)
    world.slack.click(message, "approval_approve", user=MIRA)
    await until(lambda: world.slack.ephemeral)
    world.engine.will("I leave contact 7 alone.")
    world.slack.click(message, "approval_deny", user=OLE)
    await until(lambda: len(world.slack.answers(GENERAL, ts)) == 2 and finished(world.slack, GENERAL, ts))
    assert _deletions(crm) == []
    assert "Denied by" in str(world.slack.messages[message]["blocks"])


async def test_the_arguments_of_a_call_are_shown_whole(world: World) -> None:
    _, message = await _waiting(world)
    world.slack.click(message, "approval_show")
    await until(lambda: world.slack.views)
    assert '"contact": "7"' in str(world.slack.views[0]["blocks"])


async def _feedback(world: World) -> list[dict[str, Any]]:
    async with world.gateway.http(authorization=f"Bearer {world.gateway.secret('admin', Scope.ADMIN)}") as admin:
        listed = (await admin.get("/api/feedback")).json()["data"]
    return list(listed)


async def test_feedback_is_kept_beside_revision_and_sources(world: World) -> None:
    world.engine.will("At nine [1].")
    ts = world.slack.say(f"{ME} When does the library open?", channel=HELP)
    await until(lambda: finished(world.slack, HELP, ts))
    answer = str(world.slack.answers(HELP, ts)[0]["ts"])
    world.slack.rate(answer, "good", user=OLE)
    await until(lambda: world.slack.ephemeral)
    [kept] = await _feedback(world)
    assert (kept["rating"], kept["by"], kept["user"]) == (
        "good",
        f"slack:T0FAKE0001:{OLE}",
        f"slack:T0FAKE0001:{MIRA}",
    )
    assert (kept["persona"], kept["adapter"], len(kept["sources"])) == ("guide", None, 1)
    assert kept["revision"]
    world.slack.rate(answer, "bad", user=OLE)
    await until(lambda: world.slack.views)
    values = {"words": {"text": {"type": "plain_text_input", "value": "It opens at ten."}}}
    world.slack.submit(world.slack.views[0], values, user=OLE)
    await until(lambda: len(world.slack.ephemeral) == 2)
    [changed] = await _feedback(world)
    assert (changed["rating"], changed["reason"], changed["id"]) == ("bad", "It opens at ten.", kept["id"])


async def test_a_thread_is_handed_over_to_people_and_then_left_to_them(world: World) -> None:
    world.engine.will("At nine.", "At ten.")
    ts = world.slack.say(f"{ME} When does the library open?", channel=HELP)
    await until(lambda: finished(world.slack, HELP, ts))
    world.slack.click(str(world.slack.answers(HELP, ts)[0]["ts"]), "hand_over")
    await until(lambda: world.slack.made("chat.postMessage"))
    [told] = world.slack.made("chat.postMessage")
    assert told["channel"] == HELP
    assert told["text"].startswith(f"<@{MIRA}> asks for a person instead of Guide: <https://fake.slack.com/")
    world.slack.say("A person says something", thread=ts, channel=HELP)
    second = world.slack.say(f"{ME} And on Sundays?", thread=ts, channel=HELP)
    await until(lambda: "At ten." in str(world.slack.answers(HELP, ts)))
    assert second
    assert len(world.engine.requests) == 2


async def test_with_a_key_of_their_own_people_reach_what_that_key_reaches(run: Run, gateway: Gateway) -> None:
    key = gateway.services.keys.create("ole", [Scope.CHAT], personas=[PersonaId("clerk")])[1]
    app = SlackApp(bot_tokens=(SecretStr(BOT_TOKEN),), app_token=SecretStr(APP_TOKEN), users={OLE: SecretStr(key)})
    async with run(app=app) as world:
        ts = world.slack.say(f"{ME} When does the library open?", channel=HELP, user=OLE)
        await until(lambda: finished(world.slack, HELP, ts))
        [answer] = world.slack.answers(HELP, ts)
        assert answer["text"] == "You may not ask Guide here. An operator can change that."


async def test_the_quota_of_a_persons_key_holds_in_slack_and_is_told(run: Run, gateway: Gateway) -> None:
    key = gateway.services.keys.create("ole", [Scope.CHAT], limits=Limits(requests_per_minute=1))[1]
    app = SlackApp(bot_tokens=(SecretStr(BOT_TOKEN),), app_token=SecretStr(APP_TOKEN), users={OLE: SecretStr(key)})
    async with run(app=app) as world:
        first = world.slack.say(f"{ME} When does the library open?", channel=HELP, user=OLE)
        await until(lambda: finished(world.slack, HELP, first))
        second = world.slack.say(f"{ME} And on Sunday?", channel=HELP, user=OLE)
        await until(lambda: finished(world.slack, HELP, second))
        [answer] = world.slack.answers(HELP, second)
        assert answer["text"].startswith("That is more than I may answer at the moment. Please ask me again in ")
        other = world.slack.say(f"{ME} When does the library open?", channel=HELP, user=MIRA)
        await until(lambda: finished(world.slack, HELP, other))
        assert world.slack.answers(HELP, other)[0]["text"] == "Hello from the engine."
