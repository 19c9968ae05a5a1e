"""T5: collapse is reached by more factorisations than structures of low rank, the more the wider the network."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature import gauge_directions, solution_dimension
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import close
from deepcollapse.theory.known import fitting_collapse, lowest_rival
from deepcollapse.ufm import Problem, Structure, balanced_factors
from deepcollapse.ufm.structures import simplex

__all__ = ["Counts", "dimension_counts", "paper_dimension", "t5"]

STATEMENT = (
    "the ratio of the dimensions of the DNC and of a low-rank solution set grows with the width d >= K, from below 1 "
    "towards (K - 1) / r"
)
_MEASURED_ENTRIES = 3_000_000  # of the basis of one layer's rotations
_EQUAL = 1e-6


@dataclass(frozen=True, slots=True)
class Counts:
    """Dimensions of the two solution sets, counted the paper's way and exactly; None where a set is empty.

    Attributes:
        rank: r, of the low-rank structure; None if no such structure is known.
        dnc: (paper, exact).
        low_rank: (paper, exact).
        ratio_limit: (K - 1) / r.
    """

    rank: int | None
    dnc: tuple[int, int] | None
    low_rank: tuple[int, int] | None
    ratio_limit: float | None

    @property
    def ratio(self) -> tuple[float | None, float | None]:
        """R(d) = D_DNC / D_lowrank, (paper, exact)."""
        if self.dnc is None or self.low_rank is None:
            return None, None
        pairs = zip(self.dnc, self.low_rank, strict=True)
        return tuple(above / below if below else None for above, below in pairs)  # type: ignore[return-value]

    def as_json(self) -> dict[str, object]:
        """The dictionary of the command line."""
        return {
            "rank": self.rank,
            "dnc": _both(self.dnc or (None, None)),
            "low_rank": _both(self.low_rank or (None, None)),
            "ratio": _both(self.ratio),
            "ratio_limit": self.ratio_limit,
        }


def t5(problem: Problem) -> Certificate:
    """Dimensions of the solution sets of collapse and of the best known low-rank structure, and their ratio R(d).

    Exactly, R(d) = (K-1)(2d-K) / (r (2d-r-1)): 1 at d = (K+r)/2, so at least 1 wherever d >= K, increasing to (K-1)/r.
    So the paper's clause that the ratio starts below 1 is true of its own count and false of the exact dimension, of
    which its definition speaks: the verdict is False, and ``clauses`` gives each clause by both counts. It asks for a
    decay at which DNC exists, and for another critical point of rank 2 to K - 2.

    Source: arXiv 2410.23169 (T5), for the count named "paper"; the exact one is derived.

    >>> t5(Problem(classes=10, layers=2, width=70)).numbers["ratio"]["exact"].__round__(6)
    1.746269
    """
    hypotheses = standing_hypotheses(problem)
    if outside_model(problem):
        return nothing_claimed("T5", STATEMENT, hypotheses)
    rival = lowest_rival(problem)
    exists = fitting_collapse(problem.replace(width=max(problem.d, problem.classes))) is not None
    hypotheses |= {
        "a decay at which DNC exists": exists,
        "a critical point of rank 2 to K - 2 is known": rival is not None and rival.critical,
    }
    if rival is None or not exists:
        return nothing_claimed("T5", STATEMENT, hypotheses)
    clauses = _clauses(problem, rival)
    counts = dimension_counts(problem, rival)
    return Certificate(
        theorem="T5",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=all(clauses[clause]["exact"] for clause in clauses),
        numbers={
            "structure": rival.name,
            **counts.as_json(),
            "ratio_at_d_K": _both(_start(problem, rival)),
            "clauses": clauses,
        },
        recheck=partial(_recheck, problem, rival),
        notes=(_finding(problem, rival, clauses),),
    )


def dimension_counts(problem: Problem, rival: Structure | None) -> Counts:
    """Dimensions of the solution sets of collapse and of a structure of smaller rank, at width d."""
    k, d = problem.classes, problem.d
    simple = np.ones(k - 1)
    dnc = (paper_dimension(simple, problem), solution_dimension(k - 1, problem)) if d >= k - 1 else None
    if rival is None:
        return Counts(rank=None, dnc=dnc, low_rank=None, ratio_limit=None)
    low = paper_dimension(rival.singular_values, problem), solution_dimension(rival.rank, problem)
    return Counts(rank=rival.rank, dnc=dnc, low_rank=low, ratio_limit=(k - 1) / rival.rank)


def paper_dimension(singular_values: Float[np.ndarray, " r"], problem: Problem) -> int:
    """L (r d - C), the paper's count, with r (r+1) / 2 <= C <= r^2 by how many singular values are equal.

    C = r (r + 1) / 2 + sum over groups of equal values of m (m - 1) / 2: subspaces are counted, not the frames in them.
    All equal (collapse) gives the Grassmannian's r (d - r) per layer, all different the Stiefel manifold's dimension.

    Source: arXiv 2410.23169 (T5); the formula between its two bounds is our reading.
    """
    r = singular_values.size
    ordered = np.sort(singular_values)
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > _EQUAL * ordered[-1])
    groups = np.diff(np.append(starts, r))
    c = r * (r + 1) // 2 + int((groups * (groups - 1) // 2).sum())
    return problem.layers * (r * problem.d - c)


def _both(pair: Sequence[Any]) -> dict[str, Any]:
    return {"paper": pair[0], "exact": pair[1]}


def _start(problem: Problem, rival: Structure) -> tuple[float | None, float | None]:
    """R(K), (paper, exact)."""
    return dimension_counts(problem.replace(width=problem.classes), rival).ratio


def _clauses(problem: Problem, rival: Structure) -> dict[str, dict[str, bool]]:
    """Each clause of the statement by both counts; growth from d to d + 1, from d = K on where the width is below."""
    d = max(problem.d, problem.classes)
    now, wider = (dimension_counts(problem.replace(width=width), rival).ratio for width in (d, d + 1))
    limit = (problem.classes - 1) / rival.rank
    grows = tuple(a is not None and b is not None and a < b < limit for a, b in zip(now, wider, strict=True))
    below = tuple(ratio is not None and ratio < 1.0 for ratio in _start(problem, rival))
    return {"grows, below (K - 1) / r": _both(grows), "starts below 1": _both(below)}


def _finding(problem: Problem, rival: Structure, clauses: Mapping[str, Mapping[str, bool]]) -> str:
    paper, exact = _start(problem, rival)
    rest = "the rest holds by both counts" if all(clauses["grows, below (K - 1) / r"].values()) else "nor does it grow"
    return (
        f"finding: by the exact dimension the ratio does not start below 1: it is {exact:.4f} at d = K = "
        f"{problem.classes}, r = {rival.rank} ({paper:.4f} by the paper's count); {rest}"
    )


def _recheck(problem: Problem, rival: Structure, certificate: Certificate) -> Check:
    """The exact dimensions by counting independent rotations of one hidden layer, the paper's by its unequal values."""
    claimed, numbers, left_out = certificate.numbers, {}, ""
    agrees = _ratios_agree(claimed, problem.classes) and claimed["structure"] == rival.name
    agrees &= claimed["rank"] == int(np.linalg.matrix_rank(rival.logits, rtol=1e-10))
    agrees &= certificate.holds is all(clause["exact"] for clause in claimed["clauses"].values())
    agrees &= _clauses_agree(claimed, rival, problem)
    for name, logits in (("dnc", simplex(problem).matrix((1.0,))), ("low_rank", rival.logits)):
        if claimed[name]["exact"] is None:
            continue
        agrees &= claimed[name]["paper"] == _unequal_pairs(logits, problem)
        found = _measured(logits, problem)
        if found is None:
            left_out = "; not remeasured where a basis of them is too large"
        else:
            numbers[name] = found
            agrees &= found == claimed[name]["exact"]
    method = f"independent rotations of one hidden layer, measured at widths r + 1 and r + 2{left_out}"
    return Check(None if agrees and left_out else agrees, method, numbers)


def _ratios_agree(claimed: Mapping[str, Any], classes: int) -> bool:
    """The ratios against their dimensions, and the limit."""
    fine = math.isclose(claimed["ratio_limit"], (classes - 1) / claimed["rank"])
    for count, ratio in claimed["ratio"].items():
        above, below = claimed["dnc"][count], claimed["low_rank"][count]
        fine &= close(ratio, above / below if above is not None and below else None)
    return fine


def _clauses_agree(claimed: Mapping[str, Any], rival: Structure, problem: Problem) -> bool:
    """Clauses and first ratios by counts of their own: unequal values, and the closed form of the frames' ratio."""
    k, r, fine = problem.classes, rival.rank, True
    curves: dict[str, Callable[[int], float]] = {
        "exact": lambda d: (k - 1) * (2 * d - k) / (r * (2 * d - r - 1)),
        "paper": lambda d: (
            (k - 1) * (d - k + 1) * problem.layers / _unequal_pairs(rival.logits, problem.replace(width=d))
        ),
    }
    d = max(problem.d, k)
    for count, ratio in curves.items():
        clauses = {name: clause[count] for name, clause in claimed["clauses"].items()}
        grows = ratio(d) < ratio(d + 1) < (k - 1) / r
        fine &= close(claimed["ratio_at_d_K"][count], ratio(k))
        fine &= clauses == {"grows, below (K - 1) / r": grows, "starts below 1": ratio(k) < 1.0}
    return fine


def _unequal_pairs(logits: Float[np.ndarray, "K K"], problem: Problem) -> int:
    """Dimension of the orbit of Q diag(s, 0) Q^T under rotations of d dimensions, once per hidden layer.

    Two of its d eigenvalues, the singular values and d - r zeros, give a dimension if they differ.
    """
    values = np.linalg.svd(logits, compute_uv=False)
    values = values[values > _EQUAL * values[0]]
    apart = np.abs(values[:, None] - values) > _EQUAL * values[0]
    return problem.layers * (int(np.triu(apart).sum()) + values.size * (problem.d - values.size))


def _measured(logits: Float[np.ndarray, "K K"], problem: Problem) -> int | None:
    """Dimension of the solution set from the rotations of one layer's frame at two widths; None if they are too many.

    Each of the d - r directions a frame leaves free adds as many rotations as any other, so the number is linear in d.
    """
    rank = int(np.linalg.matrix_rank(logits, rtol=1e-10))
    if (rank + 1) * (rank + 2) // 2 * 2 * problem.classes * (rank + 2) > _MEASURED_ENTRIES:
        return None
    one_layer = problem.replace(layers=1, samples=1, decay=problem.mean_decay)
    narrow, wider = (
        gauge_directions(balanced_factors(logits, at, np.random.default_rng(0)), at).shape[1]
        for at in (one_layer.replace(width=rank + 1), one_layer.replace(width=rank + 2))
    )
    return problem.layers * (narrow + (problem.d - rank - 1) * (wider - narrow))
