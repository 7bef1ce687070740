"""Ids: a prefix that tells the kind, then 24 random characters."""

import secrets
from typing import NewType

PersonaId = NewType("PersonaId", str)
PrincipalId = NewType("PrincipalId", str)
ConversationId = NewType("ConversationId", str)

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str, mark: str = "-") -> str:
    """Return a fresh id such as `appr-5k2…`: prefix, mark, 24 characters of base 36 (124 bits)."""
    number = secrets.randbelow(36**24)  # one draw: asking the kernel for each character takes twenty times as long
    characters = []
    for _ in range(24):
        number, digit = divmod(number, 36)
        characters.append(_ALPHABET[digit])
    return f"{prefix}{mark}{''.join(characters)}"
