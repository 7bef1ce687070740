"""What is written about versions beside their states: model cards, aliases, and archives that carry one away."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from adapters import archive, tables
from adapters.base import BaseModel
from adapters.card import Told, card_of, told_of
from adapters.evaluation import EvalState, Evaluation, Evaluations, summary
from adapters.inspection import ImportLimits
from adapters.record import MOST_VERSION
from adapters.refusal import AdapterRefused
from adapters.registry import Registry
from adapters.store import content_digest
from adapters.version import AdapterVersion, check_name
from core.clock import Clock
from core.database import Database
from core.errors import InvalidRequest, NotFound

_OF_STATES = frozenset({"production", "previous", "latest"})
"""Aliases that nobody gives: they follow the states."""
_NUMBER = re.compile(f"[0-9]{{1,{len(str(MOST_VERSION))}}}")


class Papers:
    """Cards, aliases and archives of the versions of a registry."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock

    def card(self, name: str, version: int) -> dict[str, Any]:
        """Return the model card of a version.

        Raises:
            NotFound: there is no such version.
        """
        found = self._registry.get(name, version)
        manifest = self._registry.verify(name, version)
        history, ends = self._registry.history(name), self._registry.ends(name)
        told = self._told(name, version)
        return card_of(found, manifest, told, history, ends, self._evaluations(name, version))

    def tell(self, name: str, version: int, said: Mapping[str, str], *, by: str) -> None:
        """Say something more on the card of a version.

        Raises:
            NotFound: there is no such version.
            InvalidRequest: a card has no such field.
        """
        self._registry.get(name, version)
        told = told_of(said, self._told(name, version))
        row = {"name": name, "version": version, "told": asdict(told), "by": by, "at": self._clock()}
        with self._database.write() as connection:
            said_now = insert(tables.cards).values(**row)
            connection.execute(said_now.on_conflict_do_update(index_elements=["name", "version"], set_=row))

    def alias(self, name: str, alias: str, version: int | None, *, by: str) -> None:
        """Let `NAME@alias` stand for a version; None takes the alias away.

        Raises:
            NotFound: there is no such version.
            InvalidRequest: the alias is no name, or is one that follows the states.
        """
        check_name(alias)
        if alias in _OF_STATES or alias.isdigit():
            raise InvalidRequest(
                f"{alias!r} follows the states, or is a number. Choose another word.", param="alias"
            )
        table = tables.aliases
        with self._database.write() as connection:
            if version is None:
                connection.execute(delete(table).where(table.c.name == name, table.c.alias == alias))
                return
            self._registry.record.one(connection, name, version)
            row = {"name": name, "alias": alias, "version": version, "by": by, "at": self._clock()}
            given = insert(table).values(**row)
            connection.execute(given.on_conflict_do_update(index_elements=["name", "alias"], set_=row))

    def aliases(self, name: str) -> dict[str, int]:
        """Return the aliases of an adapter's versions, those that follow the states included."""
        table = tables.aliases
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.name == name).order_by(table.c.alias))
            found: dict[str, int] = {row.alias: row.version for row in rows}
        versions = self._registry.list(name)
        current, previous = self._registry.production(name), self._registry.previous(name)
        by_state = {"production": current, "previous": previous, "latest": versions[-1] if versions else None}
        return found | {alias: one.version for alias, one in by_state.items() if one is not None}

    def find(self, reference: str) -> AdapterVersion:
        """Return the version that `NAME@N` or `NAME@ALIAS` stands for.

        Raises:
            NotFound: there is none.
        """
        name, _, which = reference.partition("@")
        number = int(which) if _NUMBER.fullmatch(which) else self.aliases(name).get(which)
        if number is None:
            raise NotFound(
                f"{reference[:80]!r} stands for no adapter version. Write NAME@3, or an alias that `repertory "
                f"adapter alias {name[:64]}` lists.",
                code="adapter_version_not_found",
            )
        return self._registry.get(name, number)

    def export(self, reference: str, target: Path) -> AdapterVersion:
        """Write a version into one archive, after its files were verified.

        Raises:
            NotFound: there is no such version.
            InvalidRequest: its files are damaged.
        """
        version = self.find(reference)
        card = self.card(version.name, version.version)  # verifies the files
        told = {
            "name": version.name,
            "version": version.version,
            "digest": version.digest,
            "base_fingerprint": version.base_fingerprint,
            "template_hash": version.template_hash,
            "card": card,
        }
        archive.export(version.path, target, told)
        return version

    def import_archive(
        self, source: Path, name: str | None, *, base: BaseModel, limits: ImportLimits, by: str
    ) -> AdapterVersion:
        """Take an archive in as the next version of `name`, or of the name that it has; its verdicts stay behind.

        Raises:
            AdapterRefused: it is hostile or damaged, or cannot be served here.
        """
        with tempfile.TemporaryDirectory(prefix="repertory-import-") as scratch:
            folder = Path(scratch)
            header = archive.unpack(source, folder, limits)
            told = header.get("name")
            chosen = check_name(name or (told if isinstance(told, str) else ""))
            if header.get("base_fingerprint") != base.fingerprint:
                raise AdapterRefused(
                    "base_differs",
                    f"The archive holds an adapter for another base model than {base.name!r}. Serve its base.",
                )
            if content_digest(folder, base.fingerprint) != header.get("digest"):
                raise AdapterRefused("archive_damaged", "The archive does not hold the version that it names.")
            said = _said_of(header.get("card"))
            version = self._registry.import_folder(folder, chosen, base=base, limits=limits, by=by)
        if said and self._told(version.name, version.version) == Told():
            self.tell(version.name, version.version, said, by=by)
        return version

    def _evaluations(self, name: str, version: int) -> list[dict[str, Any]]:
        """Return what the newest evaluation of each eval file has found."""
        store, newest = Evaluations(self._database, self._clock), dict[str, Evaluation]()
        for one in store.list(adapter=name, version=version):
            if one.state is EvalState.DONE:
                newest.setdefault(one.name, one)
        return [summary.summary_of(one, store.result(one.id)) for one in newest.values()]

    def _told(self, name: str, version: int) -> Told:
        table = tables.cards
        query = select(table.c.told).where(table.c.name == name, table.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query).scalar_one_or_none()
        return Told(**row) if row else Told()


def _said_of(card: object) -> dict[str, str]:
    """Return what people say on the card of an archive, checked before anything of it is taken in.

    Raises:
        AdapterRefused: no card may say it.
    """
    if not isinstance(card, dict):
        return {}
    said = {name: card[name] for name in asdict(Told()) if isinstance(card.get(name), str) and card[name]}
    try:
        told_of(said, Told())
    except InvalidRequest as error:
        raise AdapterRefused(
            "archive_damaged", f"The archive's model card cannot be taken in: {error.message} Export it again."
        ) from error
    return said
