"""Which personal data is looked for, and what is decided about each kind. Knows no recogniser."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import InvalidRequest

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT")
"""Whose telephone numbers are known without a `+`."""


class Kind(StrEnum):
    """What is looked for. Names and places are not: nothing finds them without a language model of its own."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    IP = "ip"
    SSN = "ssn"


class Decision(StrEnum):
    """What is done about what was found."""

    BLOCK = "block"
    """The data set is refused; each place is a finding."""
    MASK = "mask"
    """It is replaced by its kind, such as `[EMAIL]`."""
    ALLOW = "allow"
    """It is counted and stays."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One decision for all kinds, and others for some."""

    usual: Decision = Decision.BLOCK
    others: Mapping[Kind, Decision] = field(default_factory=dict)

    def decide(self, kind: Kind) -> Decision:
        """Return what is done about a kind."""
        return self.others.get(kind, self.usual)

    def shown(self) -> dict[str, str]:
        """Return kind → decision."""
        return {kind.value: self.decide(kind).value for kind in Kind}

    @classmethod
    def parse(cls, words: Iterable[str]) -> "Policy":
        """Read words such as `mask`, `email=allow`.

        Raises:
            InvalidRequest: a word is none of them.
        """
        usual, others = Decision.BLOCK, dict[Kind, Decision]()
        for word in words:
            kind, equals, decision = word.rpartition("=")
            try:
                if equals:
                    others[Kind(kind)] = Decision(decision)
                else:
                    usual = Decision(decision)
            except ValueError as error:
                raise InvalidRequest(
                    f"{word!r} is no policy for personal data. Write {', '.join(Decision)}, or one for a kind "
                    f"({', '.join(Kind)}), such as email=mask.",
                    code="policy_invalid",
                    param="pii",
                ) from error
        return cls(usual, others)
