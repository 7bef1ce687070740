"""Texts that say the same: by their normal form, or by MinHash over shingles (Broder, 1997).

Owns datasketch, which is loaded when it is first needed.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

THRESHOLD = 0.8
"""Jaccard similarity of shingles from which two texts count as near-duplicates."""

_SHINGLE = 4
_BANDS, _ROWS = 16, 4  # of two texts at the threshold one pair in 4,600 is missed; candidates are compared anyway
_MOST_CANDIDATES = 1_000
_SIGN = re.compile(r"[^\w\s]|_")
_DIGITS = re.compile(r"\d+")


def normal_form(text: str, *, fold_digits: bool = True) -> str:
    """Return the text in small letters, without punctuation, and numbers as 0 unless they count.

    Vowel signs, emoji and symbols tell one question from another, and so does the mark of C#: they stay.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if fold_digits:
        folded = _DIGITS.sub("0", folded)
    return " ".join(_SIGN.sub(_kept, folded).split())


def _kept(sign: re.Match[str]) -> str:
    return sign[0] if sign[0] == "#" or unicodedata.category(sign[0])[0] in "MS" else " "


def near_duplicates(
    texts: Sequence[str], *, threshold: float = THRESHOLD, seed: int = 1
) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of places whose texts are alike, and how alike they are; each pair once.

    Candidates come from MinHash; each is then compared shingle by shingle, so that no pair is yielded which is not
    alike. Texts that are equal are compared once and yielded in a chain.

    Args:
        texts: in normal form.
        threshold: least Jaccard similarity.
        seed: of the permutations; another one finds another few of the pairs at the very threshold.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        places[text].append(place)
    places.pop("", None)  # a question without a word is like no other
    for same in places.values():
        yield from ((first, second, 1.0) for first, second in pairwise(same))
    distinct = list(places)
    shingles = [shingles_of(text) for text in distinct]
    for first, second in _candidates(shingles, seed):
        alike = jaccard(shingles[first], shingles[second])
        if alike >= threshold:
            yield places[distinct[first]][0], places[distinct[second]][0], alike


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of shingles that two texts have in common."""
    together = len(first | second)
    return len(first & second) / together if together else 1.0


def shingles_of(text: str) -> frozenset[str]:
    """Return the runs of four characters of a text; of a shorter one the text itself."""
    return frozenset(text[at : at + _SHINGLE] for at in range(max(1, len(text) - _SHINGLE + 1)))


class Groups:
    """Places that belong together, joined pair by pair (a union-find)."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def root(self, place: int) -> int:
        """Return the place that stands for the group of `place`."""
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put the groups of each pair together."""
        for first, second in pairs:
            low, high = sorted((self.root(first), self.root(second)))
            self._above[high] = low

    def members(self) -> list[list[int]]:
        """Return the groups, each in rising order, by their first member."""
        found: dict[int, list[int]] = defaultdict(list)
        for place in range(len(self._above)):
            found[self.root(place)].append(place)
        return list(found.values())


def _candidates(shingles: Sequence[frozenset[str]], seed: int) -> Iterator[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    encoded = ([shingle.encode() for shingle in sorted(one)] for one in shingles)
    for second, sketch in enumerate(MinHash.generator(encoded, num_perm=_BANDS * _ROWS, seed=seed)):
        for first in sorted(index.query(sketch))[:_MOST_CANDIDATES]:
            yield first, second
        index.insert(second, sketch)
