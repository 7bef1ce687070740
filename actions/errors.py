"""What can go wrong with actions: leaves of core's error tree.

::

    InvalidRequest
    ├── DocumentInvalid     an OpenAPI document cannot be used
    └── ArgumentsInvalid    the model's arguments do not fit; the message is written for the model
    PermissionDenied
    ├── AddressRefused      the network guard does not let this address be reached
    ├── ConnectionNeeded    the caller's account at the service is not connected, or no longer
    └── SecretRefused       the secret is not bound to this host or persona
    UpstreamFailed
    └── SignInFailed        the OAuth service refused, or did not answer
"""

from core.errors import InvalidRequest, PermissionDenied, UpstreamFailed


class DocumentInvalid(InvalidRequest):
    """An OpenAPI document cannot be used."""

    code = "document_invalid"


class ArgumentsInvalid(InvalidRequest):
    """The arguments of a call do not fit; the message tells the model which field and what to write."""

    code = "arguments_invalid"


class AddressRefused(PermissionDenied):
    """The network guard does not let this address be reached."""

    code = "address_refused"


class SecretRefused(PermissionDenied):
    """The secret is unknown, or not bound to this host or persona."""

    code = "secret_refused"


class ConnectionNeeded(PermissionDenied):
    """The caller has not connected an account at the service, or the connection has ended."""

    code = "connection_needed"


class SignInFailed(UpstreamFailed):
    """The OAuth service refused, or did not answer.

    Attributes:
        grant_ended: what the person once allowed is no longer valid (RFC 6749, 5.2: `invalid_grant`).
    """

    code = "sign_in_failed"

    def __init__(self, message: str, *, grant_ended: bool = False) -> None:
        super().__init__(message)
        self.grant_ended = grant_ended
