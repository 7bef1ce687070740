"""What a persona may do in the world: operations of OpenAPI documents and tools of MCP servers, with approvals."""

from actions.action_set import ActionSet
from actions.addresses import NetworkGrants
from actions.approval import Approval, ApprovalState, Decision, Edit, arguments_hash
from actions.approvals import Approvals
from actions.breaker import BreakerState
from actions.call import Call, CallState, Intent
from actions.config import ActionConfig, ActionSource, McpConfig, OperationChoice, ServerChoice, ToolChoice
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
from actions.hosts import HostLimits, Hosts
from actions.journal import Journal
from actions.keyring import Keyring
from actions.oauth import OAuthClient
from actions.operation import Offered, Operation, SkippedOperation
from actions.pauses import Pauses
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
    "ActionSource",
    "AddressRefused",
    "Approval",
    "ApprovalState",
    "Approvals",
    "ArgumentsInvalid",
    "BreakerState",
    "Call",
    "CallState",
    "Connect",
    "Connection",
    "ConnectionNeeded",
    "ConnectionState",
    "Connections",
    "Connects",
    "Decision",
    "DocumentInvalid",
    "Documents",
    "Edit",
    "HostLimits",
    "Hosts",
    "Intent",
    "Journal",
    "Keyring",
    "McpConfig",
    "NetworkGrants",
    "OAuthClient",
    "Offer",
    "Offered",
    "Operation",
    "OperationChoice",
    "Pauses",
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
    "ToolChoice",
    "arguments_hash",
    "fence",
    "secret_of",
]
