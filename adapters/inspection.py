"""Looks through a folder that somebody hands in as an adapter. Nothing in it is trusted or executed."""

import json
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from adapters.base import BaseModel, count_tokens
from adapters.lora_config import read_lora_config
from adapters.lora_weights import check_weights
from adapters.refusal import AdapterRefused

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
RECORD = "run.json"
MANIFEST = "manifest.json"
FILES = (CONFIG, WEIGHTS, RECORD)
"""The files of an adapter that are taken in; all others stay behind."""

_UNPROVEN = "base_unproven: the folder has no record of its training, only the name of a base"
_MAX_JSON = 4_000_000
_MAX_TOKENIZER = 100_000_000
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """What the engine was started for.

    Attributes:
        max_rank: highest rank.
        max_bytes: largest file of weights.
    """

    max_rank: int = 16
    max_bytes: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a folder that passed holds.

    Attributes:
        rank: highest rank.
        modules: number of layers that it changes.
        record: the record of its training, if the folder has one.
        warnings: what could not be proven.
    """

    rank: int
    modules: int
    record: dict[str, object] | None
    warnings: tuple[str, ...] = field(default=())


def look_around(folder: Path, limits: ImportLimits) -> None:
    """Check what lies in `folder` by name, kind and size, before any of it is read.

    Raises:
        AdapterRefused: something in it is no part of a servable adapter.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise AdapterRefused(
            "not_a_folder", f"{str(folder)!r} is no folder. Name the folder that holds the adapter."
        )
    entries = {entry.name: entry.stat(follow_symlinks=False) for entry in os.scandir(folder)}
    for name, status in sorted(entries.items()):
        if stat.S_ISLNK(status.st_mode):
            raise AdapterRefused("symlink", f"{name!r} is a symbolic link. Put the file itself into the folder.")
        if not stat.S_ISREG(status.st_mode) and (name in (*FILES, MANIFEST) or not stat.S_ISDIR(status.st_mode)):
            raise AdapterRefused("not_a_file", f"{name!r} is no regular file. Take it out.")
        if name.endswith((".py", ".so")):
            raise AdapterRefused("remote_code", f"{name!r} is code; an adapter brings none. Take it out.")
        if name.startswith("new_embeddings"):
            raise AdapterRefused("added_tokens", f"{name!r} adds to the vocabulary, which all personas share.")
    _check_presence(entries.keys())
    for name, limit in {
        CONFIG: _MAX_JSON,
        RECORD: _MAX_JSON,
        MANIFEST: _MAX_JSON,
        WEIGHTS: limits.max_bytes,
    }.items():
        if name in entries and entries[name].st_size > limit:
            raise AdapterRefused(
                "file_too_large", f"{name!r} has {entries[name].st_size} bytes, over the limit of {limit}."
            )


def inspect(copy: Path, handed_in: Path, base: BaseModel, limits: ImportLimits) -> Inspection:
    """Check an adapter against the base and the engine's limits.

    Args:
        copy: our own copy of the files that are taken in; nobody changes it any more.
        handed_in: the folder that it was made of, whose tokenizer and manifest are looked at.
        base: the base that the engine serves.
        limits: what the engine was started for.

    Raises:
        AdapterRefused: it cannot be served; the code says why.
        TensorFileDamaged: the weights are cut off or malformed.
    """
    settings = read_lora_config((copy / CONFIG).read_bytes(), max_rank=limits.max_rank)
    _check_vocabulary(handed_in, base)
    records = [record for path in (copy / RECORD, handed_in / MANIFEST) if (record := _record(path))]
    for record in records:
        _check_origin(record, base)
    modules = check_weights(copy / WEIGHTS, settings, base.linear)
    return Inspection(settings.max_rank, modules, *((records[0], ()) if records else (None, (_UNPROVEN,))))


def _check_presence(names: Collection[str]) -> None:
    if CONFIG not in names:
        raise AdapterRefused(
            "config_missing", f"There is no {CONFIG}. Name the folder that PEFT saved the adapter into."
        )
    if WEIGHTS in names:
        return
    if pickles := [name for name in sorted(names) if name.endswith(_PICKLES)]:
        raise AdapterRefused(
            "not_safetensors",
            f"The weights are in {pickles[0]!r}, a format that can run code when it is read. Save the "
            "adapter with "
            "safe_serialization=True.",
        )
    raise AdapterRefused("weights_missing", f"There is no {WEIGHTS}. Save the adapter as safetensors.")


def _check_vocabulary(folder: Path, base: BaseModel) -> None:
    added, tokenizer = folder / "added_tokens.json", folder / "tokenizer.json"
    highest = 0
    try:
        if _readable(added):
            highest = max([highest, *(int(number) + 1 for number in json.loads(added.read_text()).values())])
        if _readable(tokenizer):
            highest = max(highest, count_tokens(tokenizer))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise AdapterRefused(
            "vocabulary_unreadable", "The folder's tokenizer files cannot be read. Take them out."
        ) from error
    if highest > base.tokens:
        raise AdapterRefused(
            "added_tokens",
            f"The adapter's tokenizer knows {highest} tokens, the base {base.tokens}. All personas share "
            "the base's; "
            "train without adding tokens.",
        )


def _readable(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.stat().st_size > _MAX_TOKENIZER:
        raise AdapterRefused(
            "file_too_large", f"{path.name!r} is over the limit of {_MAX_TOKENIZER} bytes. Take it out."
        )
    return True


def _check_origin(record: dict[str, object], base: BaseModel) -> None:
    match record:
        case {"base": {"fingerprint": str(fingerprint)}, "template": {"sha256": str(template)}}:
            pass
        case {"base_fingerprint": str(fingerprint), "template_hash": str(template)}:
            pass
        case _:
            raise AdapterRefused(
                "record_unreadable", "The record of the training names no base and template. Train it again."
            )
    if fingerprint != base.fingerprint:
        raise AdapterRefused(
            "base_differs",
            f"The adapter was trained on a base with the fingerprint {fingerprint[:12]!r}; the one served here "
            f"has {base.fingerprint[:12]!r}. Train it on this base.",
        )
    if template != base.template_hash:
        raise AdapterRefused(
            "template_differs",
            f"The adapter was trained with the chat template {template[:12]!r}; here "
            f"{base.template_hash[:12]!r} is served. Train it again.",
        )


def _record(path: Path) -> dict[str, object] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AdapterRefused("record_unreadable", f"{path.name} is not JSON. Train the adapter again.") from error
    if not isinstance(content, dict):
        raise AdapterRefused("record_unreadable", f"{path.name} holds no object. Train the adapter again.")
    return content
