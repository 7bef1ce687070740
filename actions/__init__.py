"""What a persona may do in the world: operations of OpenAPI documents, with approvals."""

from actions.action_set import ActionSet
from actions.addresses import NetworkGrants
from actions.approval import Approval, ApprovalState, Decision, arguments_hash
from actions.approvals import Approvals
from actions.config import ActionConfig, OperationChoice
from actions.errors import AddressRefused, ArgumentsInvalid, DocumentInvalid, SecretRefused
from actions.operation import Operation, SkippedOperation
from actions.result import ActionResult
from actions.text import fence
from actions.vault import Secret, Secrets

__all__ = [
    "ActionConfig",
    "ActionResult",
    "ActionSet",
    "AddressRefused",
    "Approval",
    "ApprovalState",
    "Approvals",
    "ArgumentsInvalid",
    "Decision",
    "DocumentInvalid",
    "NetworkGrants",
    "Operation",
    "OperationChoice",
    "Secret",
    "SecretRefused",
    "Secrets",
    "SkippedOperation",
    "arguments_hash",
    "fence",
]
