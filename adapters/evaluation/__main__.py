"""The process that grades: work as JSON on standard input, the result as JSON on standard output.

It is one of its own since grading takes a core for a while, and an operator's grader is code that we do not know.
"""

import sys

import orjson

from adapters.evaluation.scoring import Work, score
from core.errors import RepertoryError


def main() -> int:
    """Grade, and return the exit code; what can be mended is told on standard output, too."""
    work = Work.model_validate_json(sys.stdin.buffer.read())
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # what a grader prints is no part of the result
    try:
        told: dict[str, object] = {"result": score(work)}
    except RepertoryError as error:
        told = {"error": {"code": error.code, "message": error.message}}
    out.write(orjson.dumps(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
