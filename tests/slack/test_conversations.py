"""Who is answered and where: mentions, direct messages, follow-ups, edits, deletions, commands, shortcuts."""

import pytest

from tests.fakes.engine import Reply
from tests.fakes.slack import BOT_USER, DIRECT, GENERAL, MIRA, OLE
from tests.slack.conftest import Run, World, finished, until

pytestmark = pytest.mark.anyio
ME = f"<@{BOT_USER}>"


async def _answered(world: World, ts: str, *, channel: str = GENERAL, count: int = 1) -> list[str]:
    def whole() -> bool:
        answers = world.slack.answers(channel, ts)
        return len(answers) >= count and not any(one.get("streaming") for one in answers)

    await until(whole)
    return [str(one["text"]) for one in world.slack.answers(channel, ts)]


async def _quiet(world: World) -> None:
    """Wait until everything that was delivered is acknowledged and nothing waits for an answer."""
    await until(lambda: all(one.acked.is_set() for one in world.slack.deliveries.made))
    ledger = world.program.desk.ledger
    await until(lambda: not {"waiting", "answering"} & set(ledger.tally()))


async def test_a_follow_up_in_a_thread_needs_no_mention_and_knows_what_was_said(world: World) -> None:
    world.engine.will("At nine.", "Twenty cents.")
    ts = world.slack.say(f"{ME} When does the library open?")
    await _answered(world, ts)
    world.slack.say("And a late book?", thread=ts, user=OLE)
    assert await _answered(world, ts, count=2) == ["At nine.", "Twenty cents."]
    told = world.engine.requests[-1]["messages"]
    assert [one["role"] for one in told[1:]] == ["user", "assistant", "user"]
    assert told[1]["content"] == "When does the library open?"
    assert told[2]["content"] == "At nine."


async def test_after_a_restart_a_thread_goes_on_where_it_was(run: Run) -> None:
    async with run() as first:
        first.engine.will("At nine.")
        ts = first.slack.say(f"{ME} When does the library open?")
        await _answered(first, ts)
    async with run() as second:
        second.engine.will("Twenty cents.")
        second.slack.say("And a late book?", thread=ts)
        assert (await _answered(second, ts, count=2))[1] == "Twenty cents."
        told = second.engine.requests[-1]["messages"]
        assert [one["role"] for one in told[1:]] == ["user", "assistant", "user"]


async def test_what_is_said_to_others_is_left_to_them(world: World) -> None:
    world.engine.will("At nine.")
    ts = world.slack.say(f"{ME} When does the library open?")
    await _answered(world, ts)
    world.slack.say(f"<@{OLE}> do you know?", thread=ts)
    world.slack.say("A message outside of any thread")
    other = world.slack.say("A thread of others", user=OLE)
    world.slack.say("goes on", thread=other)
    world.slack.say("A bot says this", thread=ts, bot_id="B0OTHER001")
    await _quiet(world)
    assert len(world.slack.answers(GENERAL, ts)) == 1
    assert len(world.engine.requests) == 1


async def test_a_direct_message_is_answered_in_a_thread_without_recipients(world: World) -> None:
    world.engine.will("At nine.")
    ts = world.slack.say("When does the library open?", channel=DIRECT)
    assert await _answered(world, ts, channel=DIRECT) == ["At nine."]


async def test_a_deleted_question_takes_its_answer_with_it(world: World) -> None:
    world.engine.will("At nine.")
    ts = world.slack.say(f"{ME} When does the library open?")
    await _answered(world, ts)
    world.slack.erase(ts)
    await until(lambda: world.slack.answers(GENERAL, ts) == [])


async def test_a_question_deleted_in_mid_answer_is_answered_no_further(world: World) -> None:
    world.engine.will(Reply("At nine o'clock in the morning", hangs_after=3))
    ts = world.slack.say(f"{ME} When does the library open?")
    await until(lambda: world.slack.answers(GENERAL, ts))
    await until(world.engine.hanging.is_set)  # the message is there before the engine is asked
    world.slack.erase(ts)
    await until(lambda: world.slack.answers(GENERAL, ts) == [])
    await until(world.engine.aborted.is_set)


async def test_an_edited_question_is_answered_anew_in_the_same_message(world: World) -> None:
    world.engine.will("At nine.", "Twenty cents.")
    ts = world.slack.say(f"{ME} When does the library open?")
    await _answered(world, ts)
    [first] = world.slack.answers(GENERAL, ts)
    world.slack.edit(ts, f"{ME} What does a late book cost?")
    await until(lambda: "Twenty cents" in world.slack.answers(GENERAL, ts)[0]["text"])
    [second] = world.slack.answers(GENERAL, ts)
    assert second["ts"] == first["ts"]
    assert world.engine.requests[-1]["messages"][-1]["content"].startswith("What does a late book cost?")


async def test_a_command_begins_a_thread_with_the_question(world: World) -> None:
    world.engine.will("At nine.")
    world.slack.command("When does the library open?")
    await until(lambda: any("asks: When" in one.get("text", "") for one in list(world.slack.messages.values())))
    [root] = [one for one in list(world.slack.messages.values()) if "asks: When" in one.get("text", "")]
    assert root["text"] == f"<@{MIRA}> asks: When does the library open?"
    assert (await _answered(world, root["ts"], count=2))[1] == "At nine."


async def test_a_command_without_a_question_says_how_it_is_used(world: World) -> None:
    world.slack.command("  ")
    delivery = world.slack.deliveries.made[-1]
    await until(delivery.acked.is_set)
    assert "Write your question" in str(delivery.answer)


async def test_a_shortcut_asks_about_a_message_in_its_thread(world: World) -> None:
    world.engine.will("It means Monday.")
    ts = world.slack.say("The library is closed on the first workday.", user=OLE)
    shown = {"channel": {"id": GENERAL}, "message": dict(world.slack.messages[ts]), "user": {"id": MIRA}}
    world.slack.interact({"type": "message_action", "callback_id": "ask_about", **shown})
    await until(lambda: world.slack.views)
    world.slack.submit(world.slack.views[0], {"words": {"text": {"type": "x", "value": "Which day is that?"}}})
    assert await _answered(world, ts) == ["It means Monday."]
    asked = world.engine.requests[-1]["messages"][-1]["content"]
    assert "Which day is that?" in asked
    assert "> The library is closed on the first workday." in asked


async def test_the_assistant_view_suggests_what_the_persona_is_good_for(world: World) -> None:
    started = {"channel_id": DIRECT, "thread_ts": world.slack.ts(), "user_id": MIRA}
    world.slack.deliver({"type": "assistant_thread_started", "assistant_thread": started})
    await until(lambda: world.slack.made("assistant.threads.setSuggestedPrompts"))
    [body] = world.slack.made("assistant.threads.setSuggestedPrompts")
    assert [one["message"] for one in body["prompts"]] == [
        "When does the library open?",
        "What does a late book cost?",
    ]
    world.slack.deliver({"type": "app_home_opened", "tab": "messages", "channel": DIRECT, "user": MIRA})
    await until(lambda: len(world.slack.made("assistant.threads.setSuggestedPrompts")) == 2)


async def test_people_of_other_workspaces_are_turned_away(world: World) -> None:
    ts = world.slack.say(f"{ME} When does the library open?", user_team="T0OTHER001")
    await until(lambda: world.slack.ephemeral)
    assert world.slack.ephemeral[0]["text"] == "I answer people of this workspace only."
    await _quiet(world)
    assert world.slack.answers(GENERAL, ts) == []


async def test_files_given_to_the_persona_are_knowledge_of_their_thread_alone(world: World) -> None:
    world.engine.will("Pumpkin soup [1].", "I do not know.")
    ts = world.slack.say(
        f"{ME} What does the canteen serve on Thursdays?", files=[_shared_menu(world)], subtype="file_share"
    )
    assert (await _answered(world, ts))[0] == "Pumpkin soup [1]."
    assert "pumpkin soup" in str(world.engine.requests[-1]["messages"])
    assert "Menu" in str(world.slack.answers(GENERAL, ts)[0]["blocks"][0])
    other = world.slack.say(f"{ME} What does the canteen serve on Thursdays?")
    await _answered(world, other)
    assert "pumpkin soup" not in str(world.engine.requests[-1]["messages"])
    world.slack.deliver({"type": "file_deleted", "file_id": "F0MENU0001"})
    await until(lambda: not world.program.desk.threads.with_file("slack", "T0FAKE0001", "F0MENU0001"))
    assert finished(world.slack, GENERAL, ts)


def _shared_menu(world: World) -> dict[str, str]:
    world.slack.files["/files-pri/menu.md"] = b"# Menu\n\nThe canteen serves pumpkin soup on Thursdays.\n"
    url = f"{world.slack.url}/files-pri/menu.md"
    return {"id": "F0MENU0001", "name": "menu.md", "url_private_download": url}


def _use_files(world: World, ts: str) -> None:
    """Choose "Use these files" in the menu of a message."""
    message = {name: value for name, value in world.slack.messages[ts].items() if name != "channel"}
    shown = {"channel": {"id": GENERAL}, "message": message, "user": {"id": MIRA}}
    world.slack.interact({"type": "message_action", "callback_id": "use_files", **shown})


async def test_files_of_a_thread_become_its_knowledge_only_once_the_shortcut_asks_for_it(world: World) -> None:
    world.engine.will("At nine.", "I do not know.", "Pumpkin soup [1].", "I do not know.")
    ts = world.slack.say(f"{ME} When does the library open?")
    await _answered(world, ts)
    shared = world.slack.say(
        "What is for lunch on Thursdays?", thread=ts, user=OLE, files=[_shared_menu(world)], subtype="file_share"
    )
    await _answered(world, ts, count=2)
    assert "pumpkin soup" not in str(world.engine.requests[-1]["messages"])
    _use_files(world, shared)
    assert (await _answered(world, ts, count=3))[2] == "I have read this. Ask me about it in this thread."
    assert world.slack.answers(GENERAL, ts)[2]["tasks"]["file-F0MENU0001"]["status"] == "complete"
    world.slack.say("What does the canteen serve on Thursdays?", thread=ts)
    assert (await _answered(world, ts, count=4))[3] == "Pumpkin soup [1]."
    assert "pumpkin soup" in str(world.engine.requests[-1]["messages"])
    assert "Menu" in str(world.slack.answers(GENERAL, ts)[3]["blocks"][0])
    other = world.slack.say(f"{ME} What does the canteen serve on Thursdays?")
    await _answered(world, other)
    assert "pumpkin soup" not in str(world.engine.requests[-1]["messages"])


async def test_the_shortcut_for_files_says_what_it_could_not_read_and_may_be_used_again(world: World) -> None:
    file = _shared_menu(world)
    content = world.slack.files.pop("/files-pri/menu.md")
    ts = world.slack.say("Our menu", files=[file], subtype="file_share")
    _use_files(world, ts)
    [trouble] = await _answered(world, ts)
    assert trouble.startswith("_I could not read 'menu.md': ")
    world.slack.files["/files-pri/menu.md"] = content
    _use_files(world, ts)
    assert (await _answered(world, ts, count=2))[1] == "I have read this. Ask me about it in this thread."


async def test_the_shortcut_for_files_on_a_message_without_any_says_so(world: World) -> None:
    ts = world.slack.say("No file here")
    _use_files(world, ts)
    assert await _answered(world, ts) == ["There is no file in this message."]


async def test_a_file_that_does_not_lie_at_slack_is_not_fetched(world: World) -> None:
    file = {"id": "F0EVIL0001", "name": "x.md", "url_private_download": "https://evil.example.com/x.md"}
    world.engine.will("At nine.")
    ts = world.slack.say(f"{ME} When does the library open?", files=[file])
    [text] = await _answered(world, ts)
    assert text == "_I could not read 'x.md': it does not lie at Slack._\n\nAt nine."
