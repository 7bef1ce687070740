"""The streaming methods of the fake Slack: wire.md §5.1, bullet "Streaming"."""

from tests.fakes.slack import BOT, BOT_USER, Answer, FakeSlack

_MOST_TEXT = 12_000
_STATES = frozenset({"pending", "in_progress", "complete", "error"})


def start_stream(slack: FakeSlack, body: Answer) -> Answer:
    channel = str(body.get("channel") or "")
    if channel not in slack.members:
        return {"ok": False, "error": "channel_not_found"}
    if "thread_ts" not in body:
        return {"ok": False, "error": "invalid_arguments"}
    if not channel.startswith("D"):
        for name in ("recipient_team_id", "recipient_user_id"):
            if name not in body:
                return {"ok": False, "error": f"missing_{name}"}
    ts = slack.ts()
    message: Answer = {"type": "message", "channel": channel, "user": BOT_USER, "bot_id": BOT, "ts": ts}
    message |= {
        "thread_ts": body["thread_ts"],
        "text": "",
        "blocks": [],
        "streaming": True,
        "tasks": {},
        "appends": 0,
    }
    if (wrong := _take(message, body)) is not None:
        return wrong
    slack.messages[ts] = message
    return {"ok": True, "channel": channel, "ts": ts}


def append_stream(slack: FakeSlack, body: Answer) -> Answer:
    message = slack.messages.get(str(body.get("ts")))
    if message is None:
        return {"ok": False, "error": "message_not_found"}
    message["appends"] = message.get("appends", 0) + 1
    if slack.stream_appends is not None and message["appends"] > slack.stream_appends:
        message["streaming"] = False
    if not message.get("streaming"):
        return {"ok": False, "error": "message_not_in_streaming_state"}
    return _take(message, body) or {"ok": True, "channel": message["channel"], "ts": message["ts"]}


def stop_stream(slack: FakeSlack, body: Answer) -> Answer:
    from tests.fakes.slack_methods import wrong_blocks

    message = slack.messages.get(str(body.get("ts")))
    if message is None:
        return {"ok": False, "error": "message_not_found"}
    if not message.get("streaming"):
        return {"ok": False, "error": "message_not_in_streaming_state"}
    if (error := wrong_blocks(body.get("blocks") or [])) is not None:
        return {"ok": False, "error": error}
    if (wrong := _take(message, body)) is not None:
        return wrong
    message["streaming"] = False
    message["blocks"] = list(body.get("blocks") or [])
    return {"ok": True, "channel": message["channel"], "ts": message["ts"], "message": message}


def _take(message: Answer, body: Answer) -> Answer | None:
    chunks = list(body.get("chunks") or [])
    if body.get("markdown_text"):
        chunks.append({"type": "markdown_text", "text": body["markdown_text"]})
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            if len(chunk["text"]) > _MOST_TEXT or len(message["text"]) + len(chunk["text"]) > _MOST_TEXT:
                return {"ok": False, "error": "msg_too_long"}
            message["text"] += chunk["text"]
        elif chunk["type"] == "task_update":
            if chunk["status"] not in _STATES:
                return {"ok": False, "error": "invalid_chunks"}
            message["tasks"].setdefault(chunk["id"], {}).update(chunk)
        else:
            return {"ok": False, "error": "invalid_chunks"}
    return None
