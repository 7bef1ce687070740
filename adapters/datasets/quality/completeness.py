"""Completeness: enough of each intent, none far above the others, and the edge cases."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from adapters.datasets.example import Example
from adapters.datasets.quality.score import Evidence, Measure, Score, first, share


def completeness(
    examples: Sequence[Example], *, each: int, edge_cases: Sequence[str], labels: Mapping[str, int]
) -> Score:
    """Measure how much is covered.

    Args:
        examples: sound ones.
        each: rows that every label should have, at least.
        edge_cases: tags that a set should have.
        labels: label → rows that it should have, for those that are to be there at all.
    """
    found = Counter(example.about.label for example in examples if example.about.label is not None)
    wanted = {**dict.fromkeys(found, each), **labels}
    return Score("completeness", (_covered(found, wanted), _balanced(found), _edges(examples, edge_cases)))


def _covered(found: Counter[str], wanted: Mapping[str, int]) -> Measure:
    if not wanted:
        return Measure("covered", None, "no row has a label")
    gaps = {label: rows for label, rows in wanted.items() if found[label] < rows}
    told = f"{len(wanted) - len(gaps)} of {len(wanted)} labels have the rows that they should have"
    against = [Evidence(0, f"{label!r} has {found[label]} rows of {rows}") for label, rows in sorted(gaps.items())]
    return share("covered", len(wanted) - len(gaps), len(wanted), told, against)


def _balanced(found: Counter[str]) -> Measure:
    """The entropy of the labels, as a share of what equal labels would have."""
    if len(found) < 2:
        return Measure("balanced", None, f"the set has {len(found)} labels")
    total = sum(found.values())
    entropy = -sum(rows / total * math.log(rows / total) for rows in found.values())
    (most, highest), (least, lowest) = found.most_common()[0], found.most_common()[-1]
    told = f"{most!r} has {highest} rows, {least!r} has {lowest}"
    against = [Evidence(0, told)] if highest > 2 * lowest else []
    return Measure("balanced", entropy / math.log(len(found)), told, first(against))


def _edges(examples: Sequence[Example], edge_cases: Sequence[str]) -> Measure:
    tags = Counter(tag for example in examples for tag in example.about.tags)
    missing = [tag for tag in edge_cases if not tags[tag]]
    told = f"{len(edge_cases) - len(missing)} of {len(edge_cases)} edge cases are tagged"
    against = [Evidence(0, f"no row has the tag {tag!r}") for tag in missing]
    return share("edge_cases", len(edge_cases) - len(missing), len(edge_cases), told, against)
