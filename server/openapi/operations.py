"""What each address takes and answers: the one table beside the routes.

A route that is missing here fails `tests/wire/test_http_document.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from core.principal import Scope
from server.files.file import PURPOSES
from server.fine_tuning.bodies import JobBody
from server.hooks.signature import SIGNATURE, TIMESTAMP
from server.openapi import action_shapes as acts
from server.openapi import eval_shapes as evals
from server.openapi import key_shapes as keys
from server.openapi import openai_shapes as v1
from server.openapi import own_shapes as own
from server.openapi import rollout_shapes as trial
from server.openapi import tuning_shapes as tune
from server.openapi import upload_shapes as up
from server.routes.adapter_papers import AliasBody, CardBody
from server.routes.adapters import ApproveBody, RetireBody, RollbackBody, UseBody
from server.routes.approvals import DecisionBody
from server.routes.embeddings import EmbeddingRequest
from server.routes.evals import EvalBody
from server.routes.feedback import FeedbackBody
from server.routes.hooks import HookBody
from server.routes.keys import KeyBody, LimitsBody
from server.routes.knowledge import SearchBody
from server.routes.oauth import ConnectBody
from server.routes.rollouts import AdvanceBody, OutcomeBody, ReasonBody, RolloutBody
from server.routes.shares import ShareBody
from server.turn.request import ChatRequest
from server.turn.version import PIN_HEADER
from server.vector_stores.bodies import (
    AttributesBody,
    BatchBody,
    StoreBody,
    StoreChanges,
    StoreFileBody,
    StoreSearchBody,
)

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Operation:
    """One address with one method.

    Attributes:
        answer: shape of a JSON answer, or else the media type.
        scope: what a key needs; None where any key, or none at all, will do.
        body: what a JSON body must fit.
        frames: shape of one frame, where the answer may be a stream.
        open_locally: whether programs on this machine need no key.
        query: query parameters that the route reads by itself.
        headers: request headers that it reads by itself.
        form: schema of a multipart body.
        also: another media type that it may answer.
        browser: whether a person's browser comes here, which has no key; it also takes failures as a page.
        status: of a good answer.
    """

    answer: type[BaseModel] | str
    scope: Scope | None = None
    body: type[BaseModel] | None = None
    frames: type[BaseModel] | None = None
    open_locally: bool = False
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    form: Mapping[str, object] | None = None
    also: str | None = None
    browser: bool = False
    status: int = 200


def _open(answer: type[BaseModel], body: type[BaseModel] | None = None) -> Operation:
    """Return an operation of OpenAI's for the scope `knowledge`."""
    return Operation(answer, Scope.KNOWLEDGE, body, open_locally=True)


def _tuned(answer: type[BaseModel], body: type[BaseModel] | None = None) -> Operation:
    """Return an operation of OpenAI's for the scope `adapters`, which nobody has without a key."""
    return Operation(answer, Scope.ADAPTERS, body)


_STORE = "/v1/vector_stores/{vector_store_id}"
_ROLLOUT = "/api/rollouts/{rollout_id}"
_TUNING = "/v1/fine_tuning/jobs"
_SHARES = "/api/vector_stores/{vector_store_id}/shares"
FILE_FORM: Mapping[str, object] = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"enum": list(PURPOSES)},
        "expires_after[anchor]": {"const": "created_at"},
        "expires_after[seconds]": {"type": "integer", "minimum": 3_600, "maximum": 2_592_000},
    },
    "additionalProperties": False,
}
"""Schema of the form that uploads a file."""
ARCHIVE_FORM: Mapping[str, object] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
    "additionalProperties": False,
}
"""Schema of the form that brings an adapter version."""

OPERATIONS: dict[str, Operation] = {
    "POST /v1/chat/completions": Operation(
        v1.ChatCompletion,
        Scope.CHAT,
        ChatRequest,
        v1.ChatCompletionChunk,
        open_locally=True,
        headers=(PIN_HEADER,),
    ),
    "GET /v1/models": Operation(v1.ModelList, open_locally=True),
    "GET /v1/models/{model}": Operation(v1.Model, open_locally=True),
    "POST /v1/embeddings": Operation(v1.EmbeddingList, Scope.KNOWLEDGE, EmbeddingRequest, open_locally=True),
    "POST /v1/files": Operation(up.FileObject, Scope.KNOWLEDGE, form=FILE_FORM, open_locally=True),
    "GET /v1/files": Operation(up.FileList, Scope.KNOWLEDGE, open_locally=True),
    "GET /v1/files/{file_id}": Operation(up.FileObject, Scope.KNOWLEDGE, open_locally=True),
    "GET /v1/files/{file_id}/content": Operation(TEXT, also="application/octet-stream", open_locally=True),
    "DELETE /v1/files/{file_id}": Operation(up.FileDeleted, Scope.KNOWLEDGE, open_locally=True),
    "POST /v1/vector_stores": _open(up.VectorStoreObject, StoreBody),
    "GET /v1/vector_stores": _open(up.VectorStoreList),
    f"GET {_STORE}": _open(up.VectorStoreObject),
    f"POST {_STORE}": _open(up.VectorStoreObject, StoreChanges),
    f"DELETE {_STORE}": _open(up.VectorStoreDeleted),
    f"POST {_STORE}/search": _open(up.SearchResults, StoreSearchBody),
    f"POST {_STORE}/files": _open(up.StoreFileObject, StoreFileBody),
    f"GET {_STORE}/files": _open(up.StoreFileList),
    f"GET {_STORE}/files/{{file_id}}": _open(up.StoreFileObject),
    f"POST {_STORE}/files/{{file_id}}": _open(up.StoreFileObject, AttributesBody),
    f"GET {_STORE}/files/{{file_id}}/content": _open(up.StoreFileContent),
    f"DELETE {_STORE}/files/{{file_id}}": _open(up.StoreFileDeleted),
    f"POST {_STORE}/file_batches": _open(up.FileBatchObject, BatchBody),
    f"GET {_STORE}/file_batches/{{batch_id}}": _open(up.FileBatchObject),
    f"POST {_STORE}/file_batches/{{batch_id}}/cancel": _open(up.FileBatchObject),
    f"GET {_STORE}/file_batches/{{batch_id}}/files": _open(up.StoreFileList),
    f"POST {_TUNING}": _tuned(tune.FineTuningJob, JobBody),
    f"GET {_TUNING}": _tuned(tune.FineTuningJobList),
    f"GET {_TUNING}/{{job_id}}": _tuned(tune.FineTuningJob),
    f"POST {_TUNING}/{{job_id}}/cancel": _tuned(tune.FineTuningJob),
    f"POST {_TUNING}/{{job_id}}/pause": _tuned(tune.FineTuningJob),
    f"POST {_TUNING}/{{job_id}}/resume": _tuned(tune.FineTuningJob),
    f"GET {_TUNING}/{{job_id}}/events": _tuned(tune.FineTuningEventList),
    f"GET {_TUNING}/{{job_id}}/checkpoints": _tuned(tune.FineTuningCheckpointList),
    f"GET {_SHARES}": Operation(own.ShareList, Scope.KNOWLEDGE),
    f"POST {_SHARES}": Operation(own.ShareList, Scope.KNOWLEDGE, ShareBody),
    f"DELETE {_SHARES}/{{reader}}": Operation(own.ShareList, Scope.KNOWLEDGE),
    "GET /livez": Operation(own.Alive, open_locally=True),
    "GET /readyz": Operation(own.Ready, open_locally=True),
    "GET /metrics": Operation("text/plain", Scope.ADMIN, open_locally=True),
    "GET /metrics/engine/{number}": Operation("text/plain", Scope.ADMIN, open_locally=True),
    "GET /openapi.json": Operation("application/json", open_locally=True),
    "GET /api/personas": Operation(own.PersonaList),
    "GET /api/approvals": Operation(acts.ApprovalList, Scope.APPROVE),
    "POST /api/approvals/{approval_id}": Operation(acts.ApprovalShown, Scope.APPROVE, DecisionBody),
    "GET /api/actions/calls": Operation(acts.CallList, Scope.APPROVE),
    "POST /api/oauth/connections": Operation(acts.ConnectShown, Scope.CHAT, ConnectBody),
    "GET /api/oauth/connections": Operation(acts.ConnectionList, Scope.CHAT),
    "DELETE /api/oauth/connections/{secret}": Operation(acts.ConnectionDeleted, Scope.CHAT),
    "GET /api/oauth/start": Operation("text/html", browser=True),
    "GET /api/oauth/callback": Operation("text/html", browser=True, query=("state", "code", "iss", "error")),
    "POST /api/hooks/{persona}": Operation(
        acts.HookTaken, None, HookBody, headers=(TIMESTAMP, SIGNATURE), status=202
    ),
    "GET /api/hooks/jobs": Operation(acts.HookJobList, Scope.ADMIN),
    "GET /api/hooks/jobs/{job_id}": Operation(acts.HookJob, Scope.ADMIN, headers=(TIMESTAMP, SIGNATURE)),
    "POST /api/hooks/jobs/{job_id}/retry": Operation(acts.HookJob, Scope.ADMIN),
    "POST /api/evals": Operation(evals.EvalShown, Scope.ADAPTERS, EvalBody, status=202),
    "GET /api/evals": Operation(evals.EvalList, Scope.ADAPTERS),
    "GET /api/evals/{eval_id}": Operation(evals.EvalShown, Scope.ADAPTERS),
    "GET /api/evals/{eval_id}/report": Operation(evals.EvalReport, Scope.ADAPTERS),
    "GET /api/evals/{eval_id}/page": Operation("text/html", Scope.ADAPTERS),
    "POST /api/evals/{eval_id}/cancel": Operation(evals.EvalShown, Scope.ADAPTERS),
    "GET /api/mcp/servers": Operation(acts.McpServerList, Scope.ADMIN),
    "GET /api/mcp/servers/{name}": Operation(acts.McpServerShown, Scope.ADMIN),
    "POST /api/mcp/servers/{name}/accept": Operation(acts.McpServerShown, Scope.ADMIN),
    "GET /api/knowledge/stores": Operation(own.StoreList, Scope.KNOWLEDGE),
    "POST /api/knowledge/search": Operation(own.HitList, Scope.KNOWLEDGE, SearchBody),
    "GET /api/adapters": Operation(own.VersionList, Scope.ADAPTERS),
    "GET /api/adapters/{name}": Operation(own.AdapterShown, Scope.ADAPTERS),
    "POST /api/adapters/{name}/use": Operation(own.VersionShown, Scope.ADAPTERS, UseBody),
    "POST /api/adapters/{name}/rollback": Operation(own.VersionShown, Scope.ADAPTERS, RollbackBody),
    "POST /api/adapters/{name}/versions/{number}/approve": Operation(
        own.VersionShown, Scope.ADAPTERS, ApproveBody
    ),
    "GET /api/adapters/{name}/versions/{number}/card": Operation(trial.CardShown, Scope.ADAPTERS),
    "POST /api/adapters/{name}/versions/{number}/card": Operation(trial.CardShown, Scope.ADAPTERS, CardBody),
    "POST /api/adapters/{name}/aliases": Operation(trial.AliasesShown, Scope.ADAPTERS, AliasBody),
    "GET /api/adapters/{name}/versions/{number}/archive": Operation("application/x-tar", Scope.ADAPTERS),
    "POST /api/adapters": Operation(own.VersionShown, Scope.ADAPTERS, form=ARCHIVE_FORM),
    "POST /api/adapters/{name}/retire": Operation(trial.RetirementShown, Scope.ADAPTERS, RetireBody),
    "GET /api/rollouts": Operation(trial.RolloutList, Scope.ADAPTERS),
    "POST /api/rollouts": Operation(trial.RolloutShown, Scope.ADAPTERS, RolloutBody),
    f"GET {_ROLLOUT}": Operation(trial.RolloutWhole, Scope.ADAPTERS),
    f"GET {_ROLLOUT}/page": Operation("text/html", Scope.ADAPTERS),
    f"POST {_ROLLOUT}/advance": Operation(trial.RolloutShown, Scope.ADAPTERS, AdvanceBody),
    f"POST {_ROLLOUT}/pause": Operation(trial.RolloutShown, Scope.ADAPTERS, ReasonBody),
    f"POST {_ROLLOUT}/resume": Operation(trial.RolloutShown, Scope.ADAPTERS, ReasonBody),
    f"POST {_ROLLOUT}/stop": Operation(trial.RolloutShown, Scope.ADAPTERS, ReasonBody),
    f"POST {_ROLLOUT}/outcomes": Operation(trial.OutcomeTaken, Scope.ADAPTERS, OutcomeBody),
    "GET /api/keys": Operation(keys.KeyList, Scope.ADMIN),
    "POST /api/keys": Operation(keys.KeyMade, Scope.ADMIN, KeyBody),
    "PATCH /api/keys/{name}": Operation(keys.KeyShown, Scope.ADMIN, LimitsBody),
    "DELETE /api/keys/{name}": Operation(keys.KeyRevoked, Scope.ADMIN),
    "GET /api/transcripts": Operation(
        own.TranscriptList, Scope.CHAT, query=("principal", "user", "conversation", "persona", "after")
    ),
    "GET /api/transcripts/{transcript_id}": Operation(own.TranscriptWhole, Scope.CHAT),
    "DELETE /api/transcripts": Operation(
        own.TranscriptsDeleted, Scope.CHAT, query=("principal", "user", "conversation")
    ),
    "POST /api/feedback": Operation(own.FeedbackShown, Scope.CHAT, FeedbackBody),
    "GET /api/feedback": Operation(own.FeedbackList, Scope.CHAT),
    "GET /api/usage": Operation(keys.UsageReport),
}
