"""T5: collapse is reached by more factorisations than structures of low rank, the more the wider the network."""

from dataclasses import dataclass
from functools import partial

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
from deepcollapse.theory.known import lowest_rival
from deepcollapse.ufm import Problem, Structure, balanced_factors
from deepcollapse.ufm.structures import simplex

__all__ = ["Counts", "dimension_counts", "paper_dimension", "t5"]

STATEMENT = (
    "the ratio of the dimensions of the DNC and of a low-rank solution set grows with the width towards (K - 1) / r"
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
    The verdict is whether both counts increase from d to d + 1 and stay below the limit.

    Source: arXiv 2410.23169 (T5), for the count named "paper"; the exact one is derived.

    >>> t5(Problem(classes=10, layers=2, width=70)).numbers["ratio"]["exact"].__round__(6)
    1.746269
    """
    hypotheses = standing_hypotheses(problem)
    if outside_model(problem):
        return nothing_claimed("T5", STATEMENT, hypotheses)
    rival = lowest_rival(problem)
    hypotheses |= {"a low-rank structure exists": rival is not None}
    if rival is None:
        return nothing_claimed("T5", STATEMENT, hypotheses)
    counts = dimension_counts(problem, rival)
    return Certificate(
        theorem="T5",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=_grows(problem, rival),
        numbers={"structure": rival.name, **counts.as_json()},
        recheck=partial(_recheck, problem, rival),
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


def _both(pair: tuple[object, object]) -> dict[str, object]:
    return {"paper": pair[0], "exact": pair[1]}


def _grows(problem: Problem, rival: Structure) -> bool | None:
    """Whether both counts' ratios increase from d to d + 1 and stay below the limit."""
    now = dimension_counts(problem, rival)
    wider = dimension_counts(problem.replace(width=problem.d + 1), rival)
    if now.dnc is None or wider.ratio_limit is None:
        return None
    return all(
        after is not None and (before is None or before < after) and after < wider.ratio_limit
        for before, after in zip(now.ratio, wider.ratio, strict=True)
    )


def _recheck(problem: Problem, rival: Structure) -> Check:
    """The exact dimensions by counting independent rotations of one hidden layer, at two widths."""
    counts = dimension_counts(problem, rival)
    numbers: dict[str, int] = {}
    agrees: bool | None = True
    for name, logits, claimed in (
        ("dnc", simplex(problem).matrix((1.0,)), counts.dnc),
        ("low_rank", rival.logits, counts.low_rank),
    ):
        if claimed is None:
            continue
        found = _measured(logits, problem)
        if found is None:
            agrees = None if agrees else agrees
        else:
            numbers[name] = found
            agrees = False if found != claimed[1] else agrees
    left_out = "" if agrees is not None else "; not remeasured where a basis of them is too large"
    return Check(
        agrees, f"independent rotations of one hidden layer, measured at widths r + 1 and r + 2{left_out}", numbers
    )


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
