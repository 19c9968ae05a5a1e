"""T1: deep neural collapse is not globally optimal."""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from scipy.optimize import root_scalar

from deepcollapse.errors import UndefinedError
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import NETWORKS, close, confirmed, network_loss
from deepcollapse.theory.known import fitting_collapse, lowest_rival
from deepcollapse.ufm import Problem, Structure, structure
from deepcollapse.ufm.structures import paired_trial, zero

__all__ = ["decay_crossing", "equal_scale_sides", "in_range", "t1"]

STATEMENT = "no DNC point is a global minimum, at any decay"
TWO_CLASSES = "K = 2: the global minimum is collapse at its best scale, or Z = 0 where that costs less"
_BESIDE = 1e-3  # relative: far enough for losses to differ, nearer than the third digit
_LOG_DECAYS = np.log(2.0) * np.arange(-60.0, 1.0, 2.0)


def t1(problem: Problem) -> Certificate:
    """Whether some point has a smaller loss than collapse: at every decay if K >= 4, L >= 3 or K >= 6, L = 2.

    Pairs at collapse's own scale have no larger data loss, and a smaller penalty exactly if m 2^(2/M) < 2m - 1 with
    m = floor(K/2): that is the theorem's range. Outside it the verdict is read off the lowest points known at this
    decay: True where one is below collapse or collapse does not exist, False where collapse is proven to be optimal
    (L = 1, and K = 2), None where nothing lower is known.

    Two classes: centred logits are (1, -1)^T x^T, the penalty depends on ||x|| alone, and by Jensen's inequality the
    data loss is least where all margins are equal. So a global minimum is on the ray of collapse, or is Z = 0.

    Source: arXiv 2410.23169 (T1). The verdicts outside its range are derived.

    >>> certificate = t1(Problem(classes=10, layers=2, samples=5, width=70))
    >>> certificate.applies, certificate.holds
    (True, True)
    """
    hypotheses = standing_hypotheses(problem) | {"K >= 4, L >= 3 or K >= 6, L = 2": in_range(problem)}
    if outside_model(problem):
        return nothing_claimed("T1", STATEMENT, hypotheses)
    left, right = equal_scale_sides(problem)
    dnc, rival = fitting_collapse(problem), lowest_rival(problem)
    beyond = problem.classes in (4, 5) and problem.layers == 2
    crossing = decay_crossing("paired", "simplex", problem) if beyond else None
    holds = _verdict(problem, dnc=dnc, rival=rival)
    return Certificate(
        theorem="T1",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=holds,
        numbers={
            "equal_scale": {"left": left, "right": right, "certifies": left < right},
            "collapse_loss": None if dnc is None else dnc.loss,
            "competitor": None if rival is None else rival.name,
            "competitor_rank": None if rival is None else rival.rank,
            "competitor_loss": None if rival is None else rival.loss,
            "zero_loss": zero(problem).loss,
            "decay_crossing": crossing,
        },
        recheck=partial(_recheck, problem),
        notes=_notes(problem, dnc=dnc, rival=rival, crossing=crossing),
    )


def in_range(problem: Problem) -> bool:
    """Whether K and L are in the theorem's range."""
    k, layers = problem.classes, problem.layers
    return (k >= 4 and layers >= 3) or (k >= 6 and layers == 2)


def equal_scale_sides(problem: Problem) -> tuple[float, float]:
    """Penalties of pairs and of collapse at one scale, up to common terms: m 2^(2/M) and 2m - 1, m = floor(K/2)."""
    m = problem.classes // 2
    return m * 2.0**problem.penalty_power, 2.0 * m - 1.0


def decay_crossing(low: str, high: str, problem: Problem) -> float | None:
    """The decay above which the first structure's loss is the smaller one, below which the second's; None without one.

    Searched from 2^-60 up to where both exist, with one decay for all factors. Derived.

    >>> round(decay_crossing("paired", "simplex", Problem(classes=4, layers=2)), 5)
    0.01176
    """

    def lead(log_decay: float) -> float:
        """Loss of the first minus that of the second, in units of the decay."""
        at = problem.replace(decay=float(np.exp(log_decay)))
        try:
            return (structure(low, at).loss - structure(high, at).loss) / at.mean_decay
        except UndefinedError:
            return np.nan

    leads = np.array([lead(t) for t in _LOG_DECAYS])
    crossings = np.flatnonzero((leads[:-1] > 0) & (leads[1:] < 0))
    if not crossings.size:
        return None
    last = crossings[-1]
    found = root_scalar(lead, bracket=(_LOG_DECAYS[last], _LOG_DECAYS[last + 1]), xtol=1e-13)
    return float(np.exp(found.root))


def _verdict(problem: Problem, *, dnc: Structure | None, rival: Structure | None) -> bool | None:
    if in_range(problem) or dnc is None:
        return True
    if problem.layers == 1:
        return False
    lower = zero(problem).loss if rival is None else min(rival.loss, zero(problem).loss)
    if lower < dnc.loss:
        return True
    return False if problem.classes == 2 else None


def _notes(
    problem: Problem, *, dnc: Structure | None, rival: Structure | None, crossing: float | None
) -> tuple[str, ...]:
    if dnc is None:
        return ("there is no DNC point at this decay and width, so the statement is true of none",)
    if in_range(problem):
        return ()
    if problem.layers == 1:
        return ("L = 1: the problem is convex and collapse is its global minimum (see baseline)",)
    if problem.classes == 2:
        return (TWO_CLASSES,)
    notes = []
    if rival is None:
        notes.append("no diagonally superior matrix of rank below K - 1 is known at this decay; none exists for K = 3")
    elif rival.loss < dnc.loss:
        notes.append(f"outside the theorem's range, yet {rival.name} is below collapse at this decay")
    else:
        notes.append("the lowest low-rank point known is above collapse at this decay; optimality is not proven")
    if crossing is not None:
        notes.append(f"collapse has a lower loss than pairs below decay {crossing:.6g}, a higher one above")
    return tuple(notes)


def _recheck(problem: Problem, certificate: Certificate) -> Check:
    """Losses of explicit networks; in range, of pairs at collapse's own scale too; the sides in whole numbers."""
    dnc, rival = fitting_collapse(problem), lowest_rival(problem)
    claimed, numbers = certificate.numbers, {"zero_loss": float(np.log(problem.classes))}
    agrees = _sides_agree(claimed["equal_scale"], problem) and close(claimed["zero_loss"], numbers["zero_loss"])
    agrees &= _crossing_agrees(claimed["decay_crossing"], problem)
    agrees &= (claimed["competitor"], claimed["competitor_rank"]) == _named(rival)
    for name, point in (("collapse_loss", dnc), ("competitor_loss", rival)):
        agrees &= close(claimed[name], None if point is None else point.loss)
        if point is not None:
            fine, numbers[name] = confirmed(point, problem)
            agrees &= fine
    if dnc is None:
        return Check(agrees and certificate.holds is True, NETWORKS, numbers)
    lowest = min(numbers.get("competitor_loss", np.inf), numbers["zero_loss"])
    if in_range(problem):
        trial = paired_trial(problem).matrix(dnc.scales)
        pairs = network_loss(trial, problem, rank=(problem.classes + 1) // 2)
        numbers["pairs_at_collapse_scale"] = lowest = pairs
    optimal = False if problem.layers == 1 or problem.classes == 2 else None
    expected = True if lowest < numbers["collapse_loss"] else optimal
    return Check(agrees and certificate.holds is expected, NETWORKS, numbers)


def _named(rival: Structure | None) -> tuple[str | None, int | None]:
    return (None, None) if rival is None else (rival.name, int(np.linalg.matrix_rank(rival.logits, rtol=1e-10)))


def _sides_agree(claimed: Mapping[str, object], problem: Problem) -> bool:
    """Both sides raised to the power M, in whole numbers."""
    m, size = problem.classes // 2, problem.factors
    left = math.exp(math.log(4 * m**size) / size)
    certifies = 4 * m**size < (2 * m - 1) ** size
    sides = close(claimed["left"], left) and close(claimed["right"], float(2 * m - 1))
    return sides and claimed["certifies"] is certifies


def _crossing_agrees(decay: object, problem: Problem) -> bool:
    """Whether pairs cost less than collapse just above the decay and more just below, on explicit networks."""
    if not isinstance(decay, float):
        return True
    for factor, lower in ((1.0 - _BESIDE, False), (1.0 + _BESIDE, True)):
        at = problem.replace(decay=factor * decay, width=max(problem.d, problem.classes))
        pairs, dnc = (structure(name, at) for name in ("paired", "simplex"))
        lead = network_loss(pairs.logits, at, rank=pairs.rank) - network_loss(dnc.logits, at, rank=dnc.rank)
        if (lead < 0) != lower:
            return False
    return True
