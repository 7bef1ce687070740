"""What the command line reads of the server's answers. Further fields are the server's business."""

from pydantic import BaseModel, ConfigDict, JsonValue


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Persona(_Answer):
    """One persona as the server lists it."""

    id: str
    name: str = ""
    description: str = ""
    adapter: str | None = None
    adapter_version: int | None = None
    ready: bool
    reason: str | None = None

    @property
    def release(self) -> str:
        """The adapter version that answers, or what is there instead."""
        if self.adapter is None:
            return "-"
        return self.adapter if self.adapter_version is None else f"{self.adapter}@{self.adapter_version}"


class FileNote(_Answer):
    """What is wrong with a file of a store, or was left out of it."""

    path: str
    reason: str


class Uploaded(_Answer):
    """An uploaded file."""

    id: str
    filename: str


class Made(_Answer):
    """A vector store."""

    id: str
    name: str


class Share(_Answer):
    """One whom a vector store is shared with."""

    reader: str


class LastError(_Answer):
    """Why a file could not be taken in."""

    message: str


class StoreFile(_Answer):
    """A file in a vector store."""

    id: str
    status: str
    last_error: LastError | None = None


class Store(_Answer):
    """One store of knowledge."""

    store: str
    name: str = ""
    failures: list[FileNote] = []
    warnings: list[FileNote] = []
    documents: int
    passages: int
    state: str
    reason: str | None = None


class Hit(_Answer):
    """One passage that a search found."""

    path: str
    title: str
    heading: str
    text: str
    page: int | None = None
    score: float
    cosine: float


class Problem(_Answer):
    """Something wrong in a persona file."""

    file: str
    line: int
    field: str
    message: str


class Edit(_Answer):
    """What a person made of a call before it was approved."""

    arguments: dict[str, JsonValue]
    effect: str = ""


class Approval(_Answer):
    """A call that waits for a decision, or waited."""

    id: str
    state: str
    persona: str = ""
    principal: str = ""
    operation: str
    arguments: dict[str, JsonValue] = {}
    effect: str = ""
    edited: Edit | None = None

    @property
    def call(self) -> str:
        """The call on one line, and what a person made of it."""
        asked = f"{self.operation}({_written(self.arguments)})"
        return asked if self.edited is None else f"{asked}, edited to ({_written(self.edited.arguments)})"


def _written(arguments: dict[str, JsonValue]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


class ActionCall(_Answer):
    """One call of the journal."""

    id: str
    state: str
    persona: str
    revision: str
    principal: str
    operation: str
    arguments_sha256: str | None = None
    arguments: dict[str, JsonValue] | None = None
    decided_by: str | None = None
    status: int | None = None
    created_at: float

    @property
    def told(self) -> str:
        """The arguments, or the beginning of their hash."""
        if self.arguments is not None:
            return _written(self.arguments)
        return f"sha256 {self.arguments_sha256[:12]}" if self.arguments_sha256 else "(deleted)"


class Connect(_Answer):
    """A link that connects an account."""

    principal: str
    secret: str
    host: str = ""
    url: str
    created_at: float
    expires_at: float


class Connection(_Answer):
    """A connected account."""

    principal: str = ""
    secret: str
    host: str = ""
    state: str
    reason: str | None = None
    scopes: list[str] = []
    connected_at: float


class Transcript(_Answer):
    """What is kept of one turn."""

    id: str
    begun_at: float
    persona: str
    principal: str
    user: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: str | None = None
    error: str | None = None
    abandoned: bool = False
    has_content: bool = False

    @property
    def ending(self) -> str:
        """How the turn ended."""
        return self.error or ("client left" if self.abandoned else self.finish or "-")


class HookCallback(_Answer):
    """What the sender of a job was told last."""

    state: str
    attempts: int


class HookJob(_Answer):
    """A job of a hook."""

    id: str
    state: str
    persona: str
    hook: str
    callback: HookCallback | None = None

    @property
    def told(self) -> str:
        """Whether its sender was told."""
        return self.callback.state if self.callback else "-"

    @property
    def tries(self) -> int:
        """How often that was tried."""
        return self.callback.attempts if self.callback else 0


class McpTool(_Answer):
    """A tool of an MCP server."""

    name: str
    state: str


class McpServer(_Answer):
    """An MCP server."""

    name: str
    url: str
    reason: str | None = None
    tools: list[McpTool] = []

    @property
    def differing(self) -> str:
        """The tools that are not as they were accepted."""
        return ", ".join(f"{one.name} ({one.state})" for one in self.tools if one.state != "accepted") or "-"
