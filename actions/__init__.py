"""What a persona may do in the world: operations of OpenAPI documents, with approvals."""

from actions.action_set import ActionSet
from actions.addresses import NetworkGrants
from actions.approval import Approval, ApprovalState, Decision, arguments_hash
from actions.approvals import Approvals
from actions.config import ActionConfig, OperationChoice, ServerChoice
from actions.connections import Connections, SignIn
from actions.connects import Connect, Connects
from actions.documents import Documents, Offer
from actions.errors import (
    AddressRefused,
    ArgumentsInvalid,
    ConnectionNeeded,
    DocumentInvalid,
    SecretRefused,
    SignInFailed,
)
from actions.keyring import Keyring
from actions.oauth import OAuthClient
from actions.operation import Operation, SkippedOperation
from actions.pins import Pins
from actions.result import ActionResult
from actions.sealing import Seal
from actions.secret import Secret, secret_of
from actions.text import fence
from actions.tokens import Connection, ConnectionState, Tokens
from actions.vault import Secrets

__all__ = [
    "ActionConfig",
    "ActionResult",
    "ActionSet",
    "AddressRefused",
    "Approval",
    "ApprovalState",
    "Approvals",
    "ArgumentsInvalid",
    "Connect",
    "Connection",
    "ConnectionNeeded",
    "ConnectionState",
    "Connections",
    "Connects",
    "Decision",
    "DocumentInvalid",
    "Documents",
    "Keyring",
    "NetworkGrants",
    "OAuthClient",
    "Offer",
    "Operation",
    "OperationChoice",
    "Pins",
    "Seal",
    "Secret",
    "SecretRefused",
    "Secrets",
    "ServerChoice",
    "SignIn",
    "SignInFailed",
    "SkippedOperation",
    "Tokens",
    "arguments_hash",
    "fence",
    "secret_of",
]
