"""What the program is started with: the Slack apps, their tokens, and where the Repertory server is.

Read once, from a JSON object on standard input, so that no secret stands on a command line or in the
environment of a process. Knows no Slack and no persona.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, model_validator

from core.errors import InvalidRequest

SLACK_API = "https://slack.com/api/"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
SlackUser = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{2,20}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SlackApp(_Part):
    """One Slack app, in one or several workspaces."""

    name: Name = Field("slack", description="How personas name it.")
    bot_tokens: tuple[SecretStr, ...] = Field(min_length=1, description="`xoxb-…`, one for each workspace.")
    app_token: SecretStr | None = Field(None, description="`xapp-…`: take events by Socket Mode.")
    signing_secret: SecretStr | None = Field(None, description="Take events by HTTP, signed with it.")
    api_key: SecretStr | None = Field(None, description="Repertory key that people ask with; else the program's.")
    users: dict[SlackUser, SecretStr] = Field(
        default_factory=dict, description="Repertory keys of single people, by their Slack id."
    )
    outsiders: bool = Field(False, description="Whether people of other workspaces are answered, too.")

    @model_validator(mode="after")
    def _has_a_way_in(self) -> "SlackApp":
        if self.app_token is None and self.signing_secret is None:
            raise ValueError("give app_token for Socket Mode, or signing_secret for HTTP")
        return self


class SlackFile(_Part):
    """The file of several Slack apps."""

    apps: tuple[SlackApp, ...] = Field(min_length=1)


class Setup(_Part):
    """Everything that the program is told.

    Attributes:
        server: where Repertory answers.
        api_key: key of the program itself.
        database: its own small database.
        file: YAML file of the apps; without it there is the one in `app`.
        port: where HTTP requests of Slack come in, on `host`.
        slack_api: base URL of Slack's Web API.
        lease_seconds: after how much silence another process takes over what this one was answering.
        answers: how many questions are answered at once.
        max_file_bytes: largest file that is read from Slack.
    """

    server: str
    api_key: SecretStr
    database: Path
    file: Path | None = None
    app: SlackApp | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    slack_api: str = SLACK_API
    lease_seconds: float = Field(20, gt=0)
    answers: int = Field(8, ge=1)
    max_file_bytes: int = 20_000_000
    log_level: str = "INFO"

    def apps(self) -> tuple[SlackApp, ...]:
        """Return the Slack apps.

        Raises:
            InvalidRequest: there are none, the file cannot be used, or two have one name.
        """
        found = (() if self.app is None else (self.app,)) + (() if self.file is None else _read(self.file))
        if not found:
            raise InvalidRequest(
                "No Slack app is set up. Set REPERTORY_SLACK_BOT_TOKEN and REPERTORY_SLACK_APP_TOKEN (or "
                "REPERTORY_SLACK_SIGNING_SECRET), or REPERTORY_SLACK_FILE.",
                code="slack_not_set_up",
            )
        names = [one.name for one in found]
        if len(set(names)) != len(names):
            raise InvalidRequest("Two Slack apps have one name. Give each its own.", code="slack_file_invalid")
        return found


def _read(path: Path) -> tuple[SlackApp, ...]:
    try:
        if path.stat().st_mode & 0o077:
            raise InvalidRequest(
                f"{str(path)!r} holds tokens and can be read by others. Run `chmod 600 {path}`.",
                code="slack_file_readable",
            )
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be read: {error.strerror}.", code="slack_file") from error
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{str(path)!r} is no YAML file.", code="slack_file_invalid") from error
    try:
        return SlackFile.model_validate(document).apps
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{str(path)!r}: {place}: {first['msg']}.", code="slack_file_invalid") from error
