"""Data sets as the command line checks, imports and splits them."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from adapters.datasets import DatasetVersion, Reference, Source, import_dataset, read_dataset
from adapters.datasets.intake import personal_findings
from adapters.datasets.personal import Policy, Scanner
from adapters.datasets.quality import Persona, Targets
from adapters.datasets.report import Check, Checked, page
from adapters.datasets.row import LABEL
from adapters.datasets.shelf import NewPart
from adapters.datasets.splitting import Shares, leaks, split
from adapters.datasets.tokens import TokenCounter
from adapters.datasets.version import Part
from adapters.training.config import MAX_LENGTH
from core.errors import InternalError, InvalidRequest
from retrieval.embedder import Embedder
from server.cli.adapter_versions import BY
from server.cli.dataset_versions import datasets_of
from server.cli.persona_actions import read_persona
from server.cli.session import Session
from server.settings import Settings
from server.turn import prompt


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person wants to be checked."""

    persona: str | None = None
    label: str | None = None
    each: int = 10
    max_tokens: int = MAX_LENGTH
    tokens: bool = True
    pii: tuple[str, ...] = ()


def import_file(
    session: Session, file: Path, name: str, label: str, pii: Sequence[str]
) -> tuple[DatasetVersion, DatasetVersion | None]:
    """Take `file` in as the next version of `name`; return it, and as it was before where it was there already.

    Raises:
        DatasetInvalid: it has faults, or personal data that is blocked.
    """
    source = Source(file, name, BY, label, Policy.parse(pii))
    with datasets_of(session) as datasets, Scanner() as scanner:
        before = {one.version: one for one in datasets.list(name)}
        version = import_dataset(source, datasets, scanner)
        return version, before.get(version.version)


def check_data(session: Session, data: str, wishes: Wishes) -> Checked:
    """Check a file, a version, or a part of one.

    Raises:
        InvalidRequest: there is no such thing.
    """
    settings = session.settings()
    path, label = Path(data), wishes.label or LABEL
    if not os.path.isfile(path):  # noqa: PTH113  # of a name that no disk takes, Path raises
        with datasets_of(session) as datasets:
            reference = Reference.parse(data)
            path, label = datasets.file(reference), wishes.label or datasets.get(reference).label_key
    policy = Policy.parse(wishes.pii or ("allow",))
    with Scanner() as scanner, _persona(settings, wishes.persona) as persona:
        check = Check(
            label_key=label,
            targets=Targets(each=wishes.each),
            persona=persona,
            measuring=TokenCounter(settings.base_model_dir) if wishes.tokens else None,
            most_tokens=wishes.max_tokens,
            personal=partial(personal_findings, policy=policy, personal=scanner, label_key=label),
        )
        return check.run(path, Path(data).name)


def split_version(
    session: Session, which: str, shares: str, seed: int, out: Path | None
) -> tuple[DatasetVersion, list[Part]]:
    """Split a version and keep its parts; return it and them.

    Raises:
        NotFound: there is no such version.
        InvalidRequest: a part would be empty, or cannot be written to `out`.
    """
    wanted = Shares.parse(shares, seed)
    with datasets_of(session) as datasets:
        version = datasets.get(Reference.parse(which))
        wanted = replace(wanted, label_key=version.label_key)
        path = datasets.file(Reference(version.name, version.version))
        dataset = read_dataset(path, name=version.reference, label_key=version.label_key)
        made = split(dataset.examples, wanted)
        if found := leaks(dataset.examples, made, wanted.threshold):
            lines = (dataset.examples[found[0].first].line, dataset.examples[found[0].second].line)
            raise InternalError(
                f"Lines {lines[0]} and {lines[1]} are in two parts: {found[0].why}.", code="split_leaks"
            )
        rows = path.read_bytes().split(b"\n")
        parts = [
            NewPart(name, [rows[dataset.examples[place].line - 1] for place in places], made.groups[name])
            for name, places in made.parts.items()
        ]
        version = datasets.add_split(version, wanted.identity, parts, wanted.shown())
        kept = [part for part in version.parts if part.split == wanted.identity]
        if out is not None:
            _write_parts([(datasets.part_file(part), out / f"{part.name}.jsonl") for part in kept], out)
        return version, kept


def _write_parts(copies: Sequence[tuple[Path, Path]], out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for source, target in copies:
            shutil.copyfile(source, target)
    except OSError as error:
        raise InvalidRequest(
            f"The parts are kept, but cannot be written to {str(out)!r}: {error.strerror}. Name another folder."
        ) from error


def write_page(checked: Checked, path: Path) -> None:
    """Write the report as one HTML page.

    Raises:
        InvalidRequest: it cannot be written.
    """
    try:
        path.write_text(page(checked), encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be written: {error.strerror}.") from error


@contextmanager
def _persona(settings: Settings, name: str | None) -> Iterator[Persona | None]:
    """Give what the persona is served with, and what it is about, while the embedding model runs."""
    if name is None:
        yield None
        return
    persona = read_persona(settings, name)
    spec = persona.spec
    system = prompt.system_text(spec.instructions, persona.actions.operations, ())
    lines = [line.strip() for line in spec.instructions.splitlines()]
    texts = [one for one in (spec.name, spec.description, *spec.conversation_starters, *lines) if one]
    settings.logs_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    embedder = Embedder(
        settings.embedding_model_dir,
        log_path=settings.logs_dir / f"embedder-check-{os.getpid()}.log",
        threads=settings.embedding_threads,
        dtype=settings.embedding_dtype,
        kept_in=settings.embedding_dir,
    )
    try:
        embedder.start()
        yield Persona(system, texts, embedder.embed)
    finally:
        embedder.close()
