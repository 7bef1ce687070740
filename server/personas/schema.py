"""The shape of a persona file. Knows fields and bounds, never files or line numbers."""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from actions import ActionSource
from retrieval import SUPPORT_THRESHOLD

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
StoreId = Annotated[str, StringConstraints(pattern=r"^vs_[a-z0-9]{24}$")]
Channel = Annotated[str, StringConstraints(pattern=r"^[CG][A-Z0-9]{2,20}$")]
SlackUser = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{2,20}$")]
Workspace = Annotated[str, StringConstraints(pattern=r"^T[A-Z0-9]{2,20}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _text_of(value: object) -> object:
    return "off" if value is False else value  # YAML reads a bare `off` as false


class Sampling(_Part):
    """Defaults of the persona; a request overrides them one by one."""

    temperature: float | None = Field(None, ge=0, le=2, description="0 always takes the likeliest token.")
    top_p: float | None = Field(None, gt=0, le=1, description="Share of probability to sample from.")
    top_k: int | None = Field(None, ge=-1, description="How many tokens to sample from; -1 means all.")
    min_p: float | None = Field(None, ge=0, le=1, description="Least probability, relative to the likeliest.")
    repetition_penalty: float | None = Field(None, gt=0, le=2, description="Above 1 discourages repeating.")
    presence_penalty: float | None = Field(None, ge=-2, le=2, description="OpenAI's presence penalty.")
    frequency_penalty: float | None = Field(None, ge=-2, le=2, description="OpenAI's frequency penalty.")
    seed: int | None = Field(None, description="Fixes the random choices.")
    stop: list[str] | None = Field(None, max_length=4, description="Texts at which the answer ends.")
    max_tokens: int | None = Field(None, ge=1, description="Length of an answer where the request says none.")


class Limits(_Part):
    """Ceilings that a request cannot raise."""

    max_output_tokens: int = Field(512, ge=1, le=131_072, description="Longest answer, in tokens.")
    max_steps: int | None = Field(None, ge=1, le=16, description="Engine calls in one turn; the server's at most.")
    action_seconds: float | None = Field(
        None, ge=1, le=3600, description="Seconds of a turn after which it calls no more; the server's at most."
    )


class ModelPart(_Part):
    """Which weights answer, and how they sample."""

    base: str | None = Field(None, description="Base model that the persona was made for; checked if given.")
    adapter: Name | None = Field(None, description="Name of a LoRA adapter; without it the base answers.")
    channel: Literal["production"] = Field("production", description="Which release of the adapter to follow.")
    promotion: Literal["manual", "automatic"] = Field(
        "manual",
        description="A version that its gate lets pass: a person approves it, or it answers at once.",
    )
    sampling: Sampling = Field(default_factory=Sampling, description="Sampling defaults.")
    limits: Limits = Field(default_factory=Limits, description="Ceilings of one answer.")


class KnowledgePart(_Part):
    """What the persona can look up."""

    paths: list[str] = Field(
        default_factory=list, max_length=32, description="Folders of documents, as paths in the checkout."
    )
    stores: list[StoreId] = Field(
        default_factory=list,
        max_length=32,
        description="Vector stores; a caller is given passages of those that they may read.",
    )
    rewrite: Literal["off", "history", "model"] = Field(
        "history",
        description="A follow-up is searched for as it is; also with the question before it; or also as the base "
        "model words it, which takes one more engine call.",
    )

    @property
    def any(self) -> bool:
        """Whether it can look anything up."""
        return bool(self.paths or self.stores)

    @field_validator("rewrite", mode="before")
    @classmethod
    def _unquoted_off(cls, value: object) -> object:
        return _text_of(value)

    @field_validator("paths")
    @classmethod
    def _inside_the_checkout(cls, folders: list[str]) -> list[str]:
        for folder in folders:
            path = PurePosixPath(folder)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(
                    f"{folder!r} must be a path inside the checkout, such as 'knowledge/support-agent'"
                )
            if folder.startswith("vs_"):
                raise ValueError(f"{folder!r} looks like a vector store; name those under stores")
        normal = [str(PurePosixPath(folder)) for folder in folders]
        if len(set(normal)) != len(normal):
            raise ValueError("a folder is listed twice; name each one once")
        return normal


class RetrievalPart(_Part):
    """How passages are found, and what to do when there are none."""

    top_k: int = Field(4, ge=1, le=20, description="Passages given to the model, at most.")
    floor: float = Field(
        0.35, ge=-1, le=1, description="Least cosine of the best passage; below it: nothing found."
    )
    dense_weight: float = Field(0.5, ge=0, le=1, description="Share of meaning against words in the ranking.")
    when_unavailable: Literal["answer", "refuse"] = Field(
        "answer", description="Retrieval is down: answer without it and say so, or refuse."
    )
    when_nothing_found: Literal["answer", "decline"] = Field(
        "answer", description="No passage is near enough: let the model answer, or decline."
    )
    citations: bool = Field(True, description="Whether answers carry citations.")
    support: float = Field(
        SUPPORT_THRESHOLD, ge=0, le=1, description="Least support for citing a passage that is not marked."
    )


class Access(_Part):
    """Who may use the persona."""

    keys: list[str] | None = Field(
        None, min_length=1, description="Names of the keys that may use it; absent: everyone who may chat."
    )


class SlackPart(_Part):
    """Where the persona speaks in Slack, and who decides there. Ids are Slack's, such as `C0123456789`."""

    app: Name | None = Field(None, description="Name of the Slack app that it speaks through; absent: any.")
    workspaces: list[Workspace] = Field(
        default_factory=list, max_length=32, description="Ids of workspaces (`T…`); none: all of the app."
    )
    channels: list[Channel] = Field(
        default_factory=list,
        max_length=128,
        description="Ids of channels (`C…`) that it answers in; none: wherever the app is invited and no other "
        "persona names the channel.",
    )
    direct: bool = Field(True, description="Whether it answers direct messages.")
    approvers: list[SlackUser] = Field(
        default_factory=list,
        max_length=64,
        description="Ids of the people (`U…`) who decide on its calls; none: whoever asked.",
    )
    hand_over: Channel | None = Field(
        None, description="Id of a channel where people take over; gives answers a button."
    )


class HookPart(_Part):
    """A program that asks the persona by signed webhooks, at `/api/hooks/{persona}`."""

    name: Name = Field(description="Names the principal `hook:NAME` that asks.")
    secret: str = Field(
        min_length=1,
        description="Name of a secret of the kind `signing`; its hosts are those that may be called back.",
    )


class Integrations(_Part):
    """Programs beside the API that the persona appears in."""

    slack: SlackPart | None = Field(None, description="Slack.")
    hooks: list[HookPart] = Field(default_factory=list, max_length=8, description="Signed webhooks.")

    @field_validator("hooks")
    @classmethod
    def _each_once(cls, value: list[HookPart]) -> list[HookPart]:
        if len({hook.name for hook in value}) != len(value):
            raise ValueError("two hooks have one name; give each its own")
        return value


class PersonaSpec(_Part):
    """One persona: instructions, knowledge, actions and an adapter under one model name."""

    id: Name = Field(description="The model name that clients use, such as `support-agent`.")
    name: Text = Field(max_length=100, description="How people call it.")
    description: str = Field("", max_length=1000, description="One or two sentences for lists.")
    instructions: Text = Field(max_length=32_000, description="The system message.")
    closing: Text | None = Field(
        None,
        max_length=1000,
        description="What every answer ends with; the server adds it where the model does not.",
    )
    conversation_starters: list[Text] = Field(
        default_factory=list, max_length=12, description="Questions that show what it is good for."
    )
    model: ModelPart = Field(default_factory=ModelPart, description="Which weights answer, and how.")
    knowledge: KnowledgePart = Field(default_factory=KnowledgePart, description="What it can look up.")
    retrieval: RetrievalPart = Field(default_factory=RetrievalPart, description="How passages are found.")
    actions: list[ActionSource] = Field(
        default_factory=list,
        max_length=32,
        description="OpenAPI documents, connectors and MCP servers whose operations it may call.",
    )
    calling: Literal["guided", "native"] = Field(
        "guided", description="Choose actions step by step, constrained; or by the model's own tool format."
    )
    evaluation: str | None = Field(
        None, max_length=1000, description="Eval file that a new version must pass, as a path in the checkout."
    )
    access: Access = Field(default_factory=Access, description="Who may use it.")
    transcripts: Literal["off", "metadata"] | None = Field(
        None, description="Keep less of its conversations than the server does: nothing, or no texts."
    )
    integrations: Integrations = Field(default_factory=Integrations, description="Programs beside the API.")

    @field_validator("evaluation")
    @classmethod
    def _eval_file_inside(cls, value: str | None) -> str | None:
        path = PurePosixPath(value or "evaluation.yaml")
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{value!r} must be a path inside the checkout, such as 'evaluations/support.yaml'")
        return value

    @field_validator("transcripts", mode="before")
    @classmethod
    def _unquoted_off(cls, value: object) -> object:
        return _text_of(value)

    @model_validator(mode="after")
    def _declines_only_where_it_can(self) -> "PersonaSpec":
        if self.retrieval.when_nothing_found == "decline" and self.actions and self.calling == "native":
            raise ValueError(
                "retrieval.when_nothing_found: decline does not go with native calling, where the model "
                "itself decides on actions; write `answer`, or `calling: guided`"
            )
        return self
