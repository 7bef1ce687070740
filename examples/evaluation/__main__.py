"""Is an adapter worth it? Two commands around a running server.

::

    python -m examples.evaluation personas data/evaluation/personas
    REPERTORY_PERSONAS_DIR=data/evaluation/personas make run
    python -m examples.evaluation measure support-agent

The first gathers the demo personas and the prompt-only ones in a folder, the last asks them.
"""

import argparse
import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from examples.evaluation.answers import AnswerFile, Asker
from examples.evaluation.measure import Measurement, measure
from examples.evaluation.report import tables, verdict, write
from examples.evaluation.shots import Turn
from examples.evaluation.tasks import TASKS

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS_PER_ANSWER = 300.0


def gather_personas(target: Path) -> list[Path]:
    """Copy the demo personas and the prompt-only ones into `target` and return the copies."""
    target.mkdir(parents=True, exist_ok=True)
    folders = (_ROOT / "personas", Path(__file__).with_name("personas"))
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    return [Path(shutil.copy(file, target)) for file in files]


async def _measure(options: argparse.Namespace, progress: Progress) -> Measurement:
    file = AnswerFile(options.out / options.persona / "answers.jsonl")
    file.load()
    headers = {"authorization": f"Bearer {options.key}"} if options.key else {}
    async with httpx.AsyncClient(
        base_url=options.url, headers=headers, timeout=_SECONDS_PER_ANSWER, trust_env=False
    ) as client:
        asker = Asker(client, file, concurrency=options.concurrency)

        async def ask(persona: str, questions: Sequence[str], before: Sequence[Turn]) -> list[str]:
            title = f"{persona}, {len(before) // 2} turns" if before else persona
            bar = progress.add_task(title, total=len(questions))
            return await asker.ask(persona, questions, before, lambda: progress.advance(bar))

        return await measure(TASKS[options.persona], ask, limit=options.limit)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.evaluation", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    gather = commands.add_parser("personas", help="gather the personas that a measurement asks")
    gather.add_argument("folder", type=Path)
    run = commands.add_parser("measure", help="compare a persona with the best prompt without adapter")
    run.add_argument("persona", choices=sorted(TASKS))
    run.add_argument("--url", default="http://127.0.0.1:8000", help="the running server")
    run.add_argument("--key", help="API key, where the server wants one")
    run.add_argument("--concurrency", type=int, default=8, help="requests at a time")
    run.add_argument("--limit", type=int, help="use only the first items of each split, for a quick look")
    run.add_argument("--out", type=Path, default=_ROOT / "data" / "evaluation", help="folder of the results")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 1 where the adapter is not worth it."""
    options = _parser().parse_args(arguments)
    console = Console()
    if options.command == "personas":
        for copy in gather_personas(options.folder):
            console.print(f"{copy}", highlight=False)
        return 0
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*shown, console=console) as progress:
            found = asyncio.run(_measure(options, progress))
    except httpx.HTTPError as error:
        console.print(f"{error or type(error).__name__} ({options.url}). Answers so far are kept; run it again.")
        return 2
    write(found, options.out / options.persona)
    for table in tables(found):
        console.print(table)
    console.print(verdict(found))
    return 0 if found.worth_it else 1


if __name__ == "__main__":
    raise SystemExit(main())
