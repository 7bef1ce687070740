"""The manifest of a Slack app for Repertory: every scope, event and command that this program uses. Pure."""

from collections.abc import Mapping, Sequence

import yaml

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
)
"""What the bot token needs."""

_EVENTS = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "assistant_thread_started",
    "file_deleted",
    "message.channels",
    "message.groups",
    "message.im",
    "tokens_revoked",
)
_MOST_PROMPTS = 4


def manifest(
    name: str, description: str, starters: Sequence[str] = (), *, url: str | None = None
) -> Mapping[str, object]:
    """Return the manifest.

    Args:
        name: of the app, as people see it.
        description: in a sentence.
        starters: questions that the app suggests.
        url: public address of the HTTP door; None: Socket Mode.
    """
    prompts = [{"title": one[:75], "message": one} for one in starters[:_MOST_PROMPTS]]
    view: dict[str, object] = {"assistant_description": description[:300] or name}
    if prompts:
        view["suggested_prompts"] = prompts
    command: dict[str, object] = {
        "command": "/ask",
        "description": f"Ask {name}",
        "usage_hint": "[persona] question",
    }
    events: dict[str, object] = {"bot_events": list(_EVENTS)}
    interactivity: dict[str, object] = {"is_enabled": True}
    if url is not None:
        command["url"] = events["request_url"] = interactivity["request_url"] = url
    return {
        "display_information": {"name": name[:35], "description": description[:140] or name},
        "features": {
            "app_home": {"messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": name[:80], "always_online": True},
            "assistant_view": view,
            "slash_commands": [command],
            "shortcuts": [
                _shortcut("Ask about this message", "ask_about", "Ask a persona about this message"),
                _shortcut("Use these files", "use_files", "Let the persona of this thread read its files"),
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "socket_mode_enabled": url is None,
            "org_deploy_enabled": False,
            "token_rotation_enabled": False,
        },
    }


def as_yaml(document: Mapping[str, object]) -> str:
    """Return a manifest as Slack's form takes it."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def _shortcut(name: str, callback: str, description: str) -> Mapping[str, str]:
    return {"name": name, "type": "message", "callback_id": callback, "description": description}
