"""How far two judges agree beyond chance."""

from collections import Counter
from collections.abc import Sequence


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa (Cohen 1960); None where there is nothing to tell, as with one label only."""
    if not pairs:
        return None
    ours, theirs = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    seen = sum(one == other for one, other in pairs) / len(pairs)
    chance = sum(ours[label] * theirs[label] for label in ours) / len(pairs) ** 2
    return None if chance == 1 else (seen - chance) / (1 - chance)
