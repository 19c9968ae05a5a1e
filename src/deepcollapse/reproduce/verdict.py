"""From checks on numbers to one of four verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["VERDICTS", "Judgement", "Verdict", "judged", "out_of_reach"]

Verdict = Literal["reproduced", "reproduced with conditions", "not reproduced", "out of reach here"]

VERDICTS: tuple[Verdict, ...] = (
    "reproduced",
    "reproduced with conditions",
    "not reproduced",
    "out of reach here",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the runs say of a claim.

    Attributes:
        verdict: one of four.
        ours: what was found, in one or two sentences with numbers.
        numbers: the same and more for machines.
        reason: the conditions, what failed, or why nothing can be said; empty if reproduced without conditions.
    """

    verdict: Verdict
    ours: str
    numbers: Mapping[str, Any]
    reason: str = ""


def judged(
    checks: Mapping[str, bool], *, ours: str, numbers: Mapping[str, Any], conditions: Sequence[str] = ()
) -> Judgement:
    """Not reproduced if a check fails, reproduced with conditions if there are any, else reproduced.

    Args:
        checks: what must be true of the numbers, in words.
        ours: what was found.
        numbers: behind it; the checks are added.
        conditions: under which the checks were met, and where the setting is not the paper's.

    >>> judged({"loss below the bound": False}, ours="0.3 > 0.2", numbers={}, conditions=["few images"]).reason
    'not so: loss below the bound'
    """
    failed = [text for text, true in checks.items() if not true]
    found = {**numbers, "checks": dict(checks)}
    if failed:
        return Judgement(verdict="not reproduced", ours=ours, numbers=found, reason=f"not so: {'; '.join(failed)}")
    if conditions:
        return Judgement(
            verdict="reproduced with conditions", ours=ours, numbers=found, reason="; ".join(dict.fromkeys(conditions))
        )
    return Judgement(verdict="reproduced", ours=ours, numbers=found)


def out_of_reach(reason: str, *, ours: str = "", numbers: Mapping[str, Any] | None = None) -> Judgement:
    """Nothing can be said here, and why."""
    return Judgement(verdict="out of reach here", ours=ours, numbers=numbers or {}, reason=reason)
