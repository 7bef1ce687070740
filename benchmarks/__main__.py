"""`make bench`: run the comparisons, print them, and write docs/performance.md."""

import argparse
from datetime import date
from pathlib import Path

from benchmarks import lora
from benchmarks.machine import describe

_REPORT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_INTRODUCTION = """\
# Performance

Written by `make bench`. Each table compares its arms in one run on one server, turn by turn, and shows
medians; the ratios are medians of the ratios within a round.
"""


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Compare, on the real engine.")
    parser.add_argument("--dtype", action="append", choices=("float32", "bfloat16"), help="only this one")
    arguments = parser.parse_args()
    machine = describe()
    lines = [_INTRODUCTION, f"Machine: {machine}.", f"Taken on {date.today().isoformat()}.", ""]
    lines += [
        "## What an adapter costs",
        "",
        f"Default base, rank 8 on all linear layers, {lora.TOKENS} tokens out; tokens per second of all streams.",
        "",
    ]
    for dtype in arguments.dtype or ("float32", "bfloat16"):
        lines += lora.compare(dtype)
    text = "\n".join(lines)
    print(text)
    _REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
