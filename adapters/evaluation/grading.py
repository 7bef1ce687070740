"""Has a process of its own grade what was answered. Blocking; knows no grader."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson

from core import guardian
from core.errors import InternalError, InvalidRequest

_ROOT = Path(__file__).resolve().parents[2]
_NICENESS = 5
_LONGEST_SECONDS = 3_600.0
_TOLD_CHARACTERS = 500


def graded(work: bytes, *, seconds: float = _LONGEST_SECONDS) -> Mapping[str, object]:
    """Return the result of `work`, a `scoring.Work` as JSON.

    Args:
        work: what was answered.
        seconds: how long grading may take.

    Raises:
        InvalidRequest: a grader of the operator's is missing or broken, or grading takes too long.
        InternalError: the process broke off.
    """
    grader = [sys.executable, "-m", "adapters.evaluation"]
    command = guardian.command(os.getpid(), grader, niceness=_NICENESS)
    try:
        done = subprocess.run(command, cwd=_ROOT, input=work, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise InvalidRequest(
            f"Grading took longer than {seconds:g} seconds and was ended. Look for a pattern or a grader that "
            "takes very long.",
            code="grading_too_slow",
        ) from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip()[-_TOLD_CHARACTERS:]
        raise InternalError(f"Grading broke off with status {done.returncode}: {last}", code="grading_failed")
    answer = orjson.loads(done.stdout)
    if told := answer.get("error"):
        raise InvalidRequest(told["message"], code=told["code"])
    result: Mapping[str, object] = answer["result"]
    return result
