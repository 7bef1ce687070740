"""Ids: a prefix that tells the kind, then 24 random characters."""

import secrets
from typing import NewType

PersonaId = NewType("PersonaId", str)
PrincipalId = NewType("PrincipalId", str)
ConversationId = NewType("ConversationId", str)

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """Return a fresh id such as `appr-5k2…` (24 characters of base 36, 124 bits)."""
    return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"
