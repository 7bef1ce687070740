"""Every setting of the server, with its bounds. The only file that reads the environment."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import InvalidRequest

ROOT = Path(__file__).resolve().parent.parent


class EngineMode(StrEnum):
    """Who runs vLLM."""

    MANAGED = "managed"
    EXTERNAL = "external"


class Settings(BaseSettings):
    """Settings, read from variables named `REPERTORY_<FIELD>` and from `.env` in the working folder."""

    model_config = SettingsConfigDict(
        env_prefix="REPERTORY_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 picks a free one.")
    public_url: str | None = Field(None, description="How clients reach the server; citations build on it.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Further Host headers to accept, comma-separated (loopback names always are)."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of web pages that may call the API, comma-separated."
    )
    require_keys: bool = Field(False, description="Ask for an API key on /v1 even on loopback.")
    anonymous_requests_per_minute: int | None = Field(
        None, ge=1, description="Requests that all programs without a key may make in a minute, together."
    )
    anonymous_tokens_per_minute: int | None = Field(
        None, ge=1, description="Tokens that they may use in a minute, prompts and answers together."
    )
    anonymous_requests_per_day: int | None = Field(None, ge=1, description="Requests in a day of UTC.")
    anonymous_tokens_per_day: int | None = Field(None, ge=1, description="Tokens in a day of UTC.")

    data_dir: Path = Field(Path("data"), description="Database, uploads, adapters and indexes of this server.")
    models_dir: Path = Field(ROOT / "models", description="Where the base and the embedding model lie.")
    personas_dir: Path = Field(ROOT / "personas", description="Folder of persona files (*.yaml).")
    knowledge_root: Path = Field(ROOT, description="Paths of knowledge and documents in personas start here.")

    engine_url: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="External vLLM base URLs, comma-separated; empty runs vLLM as a child."
    )
    engine_api_key: SecretStr | None = Field(None, description="Key that an external vLLM asks for.")
    base_model: str = Field("base", description="Base model: a folder, or a name under models_dir.")
    embedding_model: str = Field("embedding", description="Embedding model: a folder, or a name under models_dir.")
    embedding_dtype: Literal["auto", "int8", "float32", "bfloat16"] = Field(
        "auto",
        description="Numbers of the embedding model; auto takes int8, about twice as fast, for a BERT "
        "encoder whose vectors hardly change by it, else float32. A change embeds all anew.",
    )
    reranker_model: str | None = Field(
        None,
        description="Cross-encoder that puts the passages found in their last order: a folder, or a name under "
        "models_dir; empty uses none.",
    )
    reranker_seconds: float = Field(
        2, ge=0.05, le=60, description="Longest wait for its scores; then the passages keep the order they have."
    )
    embedding_threads: int = Field(1, ge=1, le=64, description="CPU threads of the embedding process.")
    index_recall: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Share of the ten nearest passages that an approximate index must find to be used.",
    )
    scan_seconds: float = Field(
        1800, ge=10, le=86_400, description="Longest time for recognising the text of one scanned file."
    )
    scan_threads: int = Field(1, ge=1, le=64, description="CPU threads of the process that recognises it.")
    max_model_len: int = Field(4096, ge=512, le=1_048_576, description="Longest prompt plus answer, in tokens.")
    max_num_seqs: int = Field(64, ge=1, le=4096, description="Streams that the engine runs at once.")
    max_loras: int = Field(4, ge=1, le=256, description="Adapters in one batch; room for old, current and next.")
    max_cpu_loras: int = Field(16, ge=1, le=4096, description="Adapters kept in memory; at least max_loras.")
    max_lora_rank: int = Field(16, description="Highest rank that an adapter may have.")
    training_engine: Literal["share", "lower", "drain"] = Field(
        "share",
        description="While an adapter is trained: answer meanwhile, the training having lower priority "
        "(`share`), or the engine (`lower`); or take no requests (`drain`).",
    )
    training_command: str = Field(
        "",
        description="What runs the trainer, such as `accelerate launch --num_processes 1 -m adapters.training`; "
        "empty: this Python.",
    )
    training_threads: int | None = Field(
        None, ge=1, le=256, description="CPU threads of a training; else all cores."
    )
    kv_cache_gib: int = Field(2, ge=1, le=1024, description="Memory for the CPU engine's KV cache, in GiB.")
    engine_dtype: str = Field(
        "auto",
        pattern="^(auto|float32|bfloat16|float16)$",
        description="Numbers of the managed engine; auto takes float32 for a small base on CPU, "
        "so that answers do not depend on who else is served.",
    )
    engine_threads: str | None = Field(None, description="CPU cores for the engine, as vLLM's thread binding.")
    engine_args: str = Field("", description="Further arguments for vLLM, as on its command line.")
    engine_start_seconds: float = Field(600, ge=10, description="Longest wait for vLLM to become ready.")
    engine_hang_seconds: float = Field(
        60,
        ge=1,
        description="Silence of the managed engine's health check after which it is killed and restarted.",
    )
    stall_seconds: float = Field(120, ge=1, description="Longest silence of the engine within one answer.")

    keep_alive_seconds: float = Field(
        10, ge=0.1, description="Silence of a stream after which a comment keeps proxies from closing it."
    )
    client_seconds: float = Field(
        60, ge=1, description="Longest wait for a client that stops in mid-request or does not read its answer."
    )
    max_body_bytes: int = Field(10_000_000, ge=1_000, description="Largest request body, in bytes.")
    max_file_bytes: int = Field(
        512_000_000, ge=1_000, le=8_000_000_000, description="Largest file that may be uploaded, in bytes."
    )
    max_steps: int = Field(4, ge=1, le=16, description="Engine calls in one chat turn, at most.")
    action_seconds: float = Field(
        120,
        ge=1,
        le=3600,
        description="Seconds of an answer after which it makes no more calls; a persona may lower it.",
    )
    action_attempts: int = Field(
        3, ge=1, le=10, description="How often a call is sent that may be tried again; 1 never tries again."
    )
    action_host_calls: int = Field(
        8, ge=1, le=1000, description="Calls of actions to one host at once; more wait."
    )
    action_host_failures: int = Field(
        5, ge=1, le=1000, description="Failures in a row after which a host is left alone."
    )
    action_host_seconds: float = Field(30, ge=0.1, le=3600, description="How long it is then left alone.")
    action_days: int = Field(90, ge=1, le=3650, description="Days that the journal keeps a call.")
    action_arguments: bool = Field(
        False, description="Keep the arguments of calls in the journal, not only their hash."
    )
    transcripts: str = Field(
        "metadata",
        pattern="^(off|metadata|content)$",
        description="What is kept of chat turns: nothing, no texts, or the texts, too. A persona may lower it.",
    )
    transcript_days: int = Field(30, ge=1, le=3650, description="Days that texts of conversations are kept.")
    transcript_metadata_days: int = Field(90, ge=1, le=3650, description="Days that a transcript is kept at all.")
    private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Private `host:port` addresses that actions may reach, comma-separated."
    )
    secrets_file: Path | None = Field(None, description="YAML file of the secrets that actions may use.")
    slack_bot_token: SecretStr | None = Field(
        None, description="Bot token (`xoxb-…`) of a Slack app; with it, `repertory serve` also serves Slack."
    )
    slack_app_token: SecretStr | None = Field(
        None, description="Its app token (`xapp-…`), for Socket Mode: no public address is needed."
    )
    slack_signing_secret: SecretStr | None = Field(
        None, description="Its signing secret, for events by HTTP instead."
    )
    slack_file: Path | None = Field(None, description="YAML file of several Slack apps and workspaces.")
    slack_port: int = Field(3000, ge=0, le=65535, description="Port on which Slack's HTTP requests are taken.")
    slack_api_key: SecretStr | None = Field(
        None, description="Key that Slack's people ask with; else one named slack, which the first start makes."
    )
    slack_api: str = Field("https://slack.com/api/", description="Base URL of Slack's Web API.")
    mcp_file: Path | None = Field(None, description="YAML file of the MCP servers whose tools personas may call.")
    tracker_port: int = Field(8100, ge=0, le=65535, description="Port of the demo ticket tracker.")
    metrics_open: bool = Field(False, description="Answer /metrics without a key even where /v1 asks for one.")
    log_format: str = Field("text", pattern="^(text|json)$", description="Log lines for eyes, or as JSON objects.")
    otlp_endpoint: str | None = Field(
        None, description="URL that traces are sent to, by OTLP over HTTP; empty sends none."
    )
    otlp_headers: SecretStr | None = Field(None, description="Headers for it: `name=value`, comma-separated.")
    trace_ratio: float = Field(
        1.0, ge=0, le=1, description="Share of turns that are traced, where the client has not decided it."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="How much to log.")

    @field_validator("allowed_hosts", "allowed_origins", "engine_url", "private_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
        )

    @field_validator("max_lora_rank")
    @classmethod
    def _servable_rank(cls, value: int) -> int:
        if value not in (1, 8, 16, 32, 64, 128, 256, 320, 512):
            raise ValueError("vLLM knows the ranks 1, 8, 16, 32, 64, 128, 256, 320 and 512")
        return value

    @property
    def engine_mode(self) -> EngineMode:
        """Whether vLLM is a child of ours or lives behind a URL."""
        return EngineMode.EXTERNAL if self.engine_url else EngineMode.MANAGED

    @property
    def embedding_name(self) -> str:
        """Model name of the embeddings: that of the default model, or of the folder that was set."""
        return "all-MiniLM-L6-v2" if self.embedding_model == "embedding" else Path(self.embedding_model).name

    @property
    def base_model_dir(self) -> Path:
        """Folder of the base model."""
        return self._model_dir(self.base_model, "REPERTORY_BASE_MODEL")

    @property
    def embedding_model_dir(self) -> Path:
        """Folder of the embedding model."""
        return self._model_dir(self.embedding_model, "REPERTORY_EMBEDDING_MODEL")

    @property
    def reranker_model_dir(self) -> Path | None:
        """Folder of the reranker, if one is to be used."""
        if self.reranker_model is None:
            return None
        return self._model_dir(self.reranker_model, "REPERTORY_RERANKER_MODEL")

    @property
    def database_path(self) -> Path:
        """The database file."""
        return self.data_dir / "repertory.db"

    @property
    def adapters_dir(self) -> Path:
        """Root of the adapter versions."""
        return self.data_dir / "adapters"

    @property
    def training_dir(self) -> Path:
        """Folders of fine-tuning jobs."""
        return self.data_dir / "training"

    @property
    def datasets_dir(self) -> Path:
        """Bytes of data sets, by content."""
        return self.data_dir / "datasets"

    @property
    def indexes_dir(self) -> Path:
        """Where rebuilt search indexes are cached."""
        return self.data_dir / "indexes"

    @property
    def embedding_dir(self) -> Path:
        """The embedding model in eight bits; made again where it is missing."""
        return self.data_dir / "embedding"

    @property
    def blobs_dir(self) -> Path:
        """Where the bytes of uploaded files lie, by their SHA-256."""
        return self.data_dir / "blobs"

    @property
    def documents_dir(self) -> Path:
        """What was accepted of OpenAPI documents from URLs."""
        return self.data_dir / "documents"

    @property
    def logs_dir(self) -> Path:
        """Where child processes write their logs."""
        return self.data_dir / "logs"

    @property
    def oauth_keys_path(self) -> Path:
        """Keys that seal the tokens of connected accounts (mode 0600); made when they are first needed."""
        return self.data_dir / "oauth.keys"

    @property
    def serves_slack(self) -> bool:
        """Whether a Slack app is set up."""
        return self.slack_bot_token is not None or self.slack_file is not None

    @property
    def slack_key_path(self) -> Path:
        """The key that people of Slack ask with, where none was set (mode 0600)."""
        return self.data_dir / "slack.key"

    @property
    def slack_database_path(self) -> Path:
        """The database of the program that serves Slack."""
        return self.data_dir / "slack.db"

    @property
    def admin_key_path(self) -> Path:
        """The first admin key, made at the first start (mode 0600)."""
        return self.data_dir / "admin.key"

    def _model_dir(self, value: str, variable: str) -> Path:
        for candidate in (self.models_dir / value, Path(value)):
            if (candidate / "config.json").is_file():
                return candidate.resolve()
        raise InvalidRequest(
            f"No model at {value!r} (looked in {str(self.models_dir)!r}). Run `make install`, or set {variable} "
            "to a folder with config.json.",
            code="model_missing",
        )
