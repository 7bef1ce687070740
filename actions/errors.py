"""What can go wrong with actions: leaves of core's error tree.

::

    InvalidRequest
    ├── DocumentInvalid     an OpenAPI document cannot be used
    └── ArgumentsInvalid    the model's arguments do not fit; the message is written for the model
    PermissionDenied
    ├── AddressRefused      the network guard does not let this address be reached
    └── SecretRefused       the secret is not bound to this host or persona
"""

from core.errors import InvalidRequest, PermissionDenied


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
