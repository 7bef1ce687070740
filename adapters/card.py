"""The model card of a version: what it is for, what it was made from, how good it is, and until when to use it.

What people say of it is kept; the rest is read from the manifest and the record, and so cannot be wrong.
"""

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from adapters.evaluation import summary
from adapters.record import Transition
from adapters.retirement import Retirement
from adapters.version import AdapterVersion
from core.errors import InvalidRequest

_MOST = 4_000


@dataclass(frozen=True, slots=True)
class Told:
    """What people say of a version.

    Attributes:
        intended_use: what it is for.
        limits: what it is not for, and where it fails.
        contact: whom to ask.
        review_on: when somebody looks at it again, as an ISO date.
    """

    intended_use: str = ""
    limits: str = ""
    contact: str = ""
    review_on: str = ""


def told_of(said: Mapping[str, str], before: Told) -> Told:
    """Return what is told after somebody has said something more.

    Raises:
        InvalidRequest: a field does not exist, is too long, or is no date.
    """
    known = {field.name for field in fields(Told)}
    for name, value in said.items():
        if name not in known or len(value) > _MOST:
            raise InvalidRequest(
                f"A model card has no {name!r}, or it is too long. Its fields are {', '.join(sorted(known))}.",
                param=name,
            )
    told = Told(**{**asdict(before), **said})
    if told.review_on:
        try:
            datetime.date.fromisoformat(told.review_on)
        except ValueError as error:
            raise InvalidRequest(
                f"{told.review_on!r} is no date, such as 2027-01-31.", param="review_on"
            ) from error
    return told


def card_of(
    version: AdapterVersion,
    manifest: Mapping[str, Any],
    told: Told,
    history: list[Transition],
    ends: list[Retirement],
    evaluations: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the whole card."""
    own = [one for one in history if one.version == version.version]
    end = next((one for one in ends if one.version in (0, version.version)), None)
    return {
        "name": version.name,
        "version": version.version,
        "state": version.state.value,
        "digest": version.digest,
        **asdict(told),
        "base": {"name": manifest.get("base_name"), "fingerprint": version.base_fingerprint},
        "data": manifest.get("data"),
        "training": manifest.get("config"),
        "lineage": lineage_of(manifest),
        "metrics": [
            {"state": one.to_state.value, "said": one.reason, "by": one.by, "at": one.at}
            for one in own
            if one.to_state.value in ("evaluated", "candidate", "rejected")
        ],
        "evaluations": evaluations,
        "author": own[0].by if own else "",
        "created_at": version.created_at,
        "warnings": list(version.warnings),
        "retire_by": end.at if end else None,
        "successor": end.successor if end else "",
    }


def lineage_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a version comes from: the version before it, its data set, its job."""
    data = manifest.get("data")
    return {
        "parent": manifest.get("parent"),
        "job": manifest.get("job"),
        "training_file": manifest.get("training_file"),
        "validation_file": manifest.get("validation_file"),
        "data_sha256": data.get("sha256") if isinstance(data, dict) else None,
    }


def markdown_of(card: Mapping[str, Any]) -> str:
    """Return a card as Markdown."""
    when = _date(card["retire_by"])
    parts = [
        f"# {card['name']}@{card['version']}",
        f"State: {card['state']}. Made by {card['author']} on {_date(card['created_at'])}.",
        "## Intended use\n\n" + (card["intended_use"] or "Nobody has said yet."),
        "## Limits\n\n" + (card["limits"] or "Nobody has said yet."),
        f"## Base\n\n{card['base']['name']} (`{str(card['base']['fingerprint'])[:12]}`)",
        "## Data and training\n\n"
        + _list({"data": card["data"], "training": card["training"], **card["lineage"]}),
        "## Evaluation\n\n"
        + ("\n".join(f"- {one['state']}: {one['said']}" for one in card["metrics"]) or "None."),
        *(summary.markdown_of(one) for one in card["evaluations"]),
        "## Care\n\n"
        + _list(
            {
                "contact": card["contact"],
                "review on": card["review_on"],
                "retire by": when,
                "successor": card["successor"],
                "warnings": ", ".join(card["warnings"]),
            }
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _list(entries: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in entries.items() if value) or "Nothing is known."


def _date(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()
