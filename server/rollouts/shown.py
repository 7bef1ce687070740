"""A rollout as the API tells it."""

from typing import Any

import anyio

from adapters.rollouts.course import Course
from adapters.rollouts.plan import Arm, after
from adapters.rollouts.rollout import Rollout
from adapters.rollouts.tally import Fault
from server.rollouts.conduct import Conduct


def shown(rollout: Rollout) -> dict[str, Any]:
    """Return one rollout as a list shows it."""
    state = "paused" if rollout.paused else "running"
    live = rollout.ended_at is None
    return {
        "id": rollout.id,
        "object": "rollout",
        "adapter": rollout.adapter,
        "version": rollout.version,
        "baseline": rollout.baseline,
        "state": state if rollout.outcome is None else rollout.outcome.value,
        "stage": rollout.stage,
        "next": after(rollout.stage) if live else None,
        "share": rollout.share,
        "plan": rollout.plan.as_json(),
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
    }


async def told(conduct: Conduct, rollout_id: str) -> dict[str, Any]:
    """Return one rollout with all that is known of it.

    Raises:
        NotFound: there is none.
    """
    rollout = await anyio.to_thread.run_sync(conduct.rollouts.get, rollout_id)
    steps = await anyio.to_thread.run_sync(conduct.rollouts.steps, rollout_id)
    course = await conduct.course(rollout)
    return {
        **shown(rollout),
        "arms": {arm.value: _arm(course, arm) for arm in (Arm.CANARY, Arm.CONTROL, Arm.SHADOW)},
        "test": {
            "finding": course.finding.value,
            "p": course.test.p,
            "difference": course.test.difference,
            "pairs": course.test.pairs,
            "most": course.plan.most,
            "ratio_p": course.ratio,
            "points": [[one.pairs, one.p, one.difference] for one in course.points],
        },
        "similarity": course.similarity / course.compared_texts if course.compared_texts else None,
        "unasked": conduct.unasked,
        "steps": [
            {"did": step.did, "stage": step.stage, "by": step.by, "reason": step.reason, "at": step.at}
            for step in steps
        ],
    }


def _arm(course: Course, arm: Arm) -> dict[str, Any]:
    tally, outcomes = course.tally.arms[arm], course.outcomes[arm]
    return {
        "units": course.units[arm],
        "turns": tally.turns,
        "faults": {fault.value: tally.faults[fault] for fault in Fault if fault is not Fault.NONE},
        "unsafe": tally.unsafe,
        "good": outcomes.good,
        "bad": outcomes.bad,
        "p95_seconds": tally.p95(),
    }
