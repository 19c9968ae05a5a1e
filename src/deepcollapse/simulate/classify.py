"""What a run ended at: collapse, a named structure, zero, or logits of some rank without a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import UndefinedError
from deepcollapse.simulate.nearest import Nearest, nearest
from deepcollapse.ufm import (
    Factors,
    LayerDistances,
    Problem,
    Reading,
    Structure,
    collapse,
    layer_distances,
    read_factors,
    regularised_loss,
    structures,
)
from deepcollapse.ufm.permutation import aligned

__all__ = ["LOGITS_RTOL", "LOSS_RTOL", "RANK_RTOL", "Verdict", "classify", "dnc_distance", "nameable"]

RANK_RTOL = 1e-3
"""A singular value of Z below this share of the largest (or of a logit of one, if that is larger) counts as zero.

A value that should vanish decays like exp(-L decay lr t) and is not zero when a run stops: at gradient norm g each
factor still holds about g / decay in its direction, 1e-3 at the default tolerance and less in their product. A value
that stays is at least a tenth of the largest at the named structures. Both kinds are far from 1e-3."""

LOGITS_RTOL = 1e-2
"""Largest difference of an entry of the logits from a structure's, relative to its largest entry.

At gradient norm g <= decay / 1000 a non-degenerate critical point is within about 1e-3 in the factors, so within about
M 1e-3 in the logits, relative to their size; the logits of two structures differ by a share of order one."""

LOSS_RTOL = 1e-5
"""Relative difference in loss that ends the comparison of a linear run; what is left to descend is g^2 / (2 decay)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An endpoint read and named.

    Attributes:
        structure: "dnc" (the simplex for cross-entropy, the orthogonal frame for the squared error), "zero", the name
            of another structure ("paired", "partition-2-8", "T5", "circle", ...), or "rank-r" for one without a name.
            A ReLU network with the logits of collapse is "dnc" only if all its layers are collapsed, and has the name
            of its logits ("simplex", "orthogonal-frame") otherwise.
        rank: of the logits, at the relative tolerance ``RANK_RTOL``.
        loss: F at the factors, in float64.
        loss_gap: loss minus that of the linear model's structure of this name, None without a name. For a linear run
            it is what was left to descend; for a ReLU run the price of being rectified.
        dnc_distance: of the class-mean logits from those of collapse, see ``dnc_distance``.
        layers: distance of every layer from collapse.
        nearest: the named structure itself, or the nearest one for a run without a name; for an undecided run it says
            where the run was heading or passing by.
        reading: logits, singular values, within-class spread and imbalance of the factors.
    """

    structure: str
    rank: int
    loss: float
    loss_gap: float | None
    dnc_distance: float | None
    layers: LayerDistances
    nearest: Nearest
    reading: Reading


def nameable(problem: Problem) -> tuple[tuple[str, Structure], ...]:
    """The critical points an endpoint can be named after: collapse as "dnc", pairs (T4 is the same), then the others.

    Under class imbalance the closed forms are trial points and no run ends there: only "zero", collapse and ranks are
    reported. Collapse is then every multiple of the one-layer frame, a critical point for one layer only.
    A ReLU network's critical points are others than the linear model's, with scales of their own, so only patterns with
    one scale can be recognised. There logits do not make collapse, whose pattern has its own name.
    """
    listed = [s for s in structures(problem) if s.critical or s.name == "one-layer-frame"]
    if problem.activation == "relu":
        listed = [s for s in listed if len(s.scales) <= 1]
    collapsed = _collapse(problem)
    name = None if collapsed is None else collapsed.name
    named = [("dnc" if s.name == name and not _rectified(problem) else s.name, s) for s in listed]
    return tuple(sorted(named, key=lambda pair: (pair[1].name != name, pair[0] != "paired")))


def classify(factors: Factors, problem: Problem, *, known: Sequence[tuple[str, Structure]] | None = None) -> Verdict:
    """Name what a converged run ended at, up to a permutation of the classes.

    Linear: loss, rank, singular values and logits must all agree with a structure's. ReLU: rank, and singular values
    and logits at equal norm; neither loss nor scale is compared, because the linear model's points are none of the
    ReLU model's. It is deep neural collapse only if every layer is collapsed, before and after the
    activation. Logits that differ within classes get no name.

    Args:
        factors: H_1, W_1, ..., W_L.
        problem: the model they belong to.
        known: ``nameable(problem)``, to be passed when many endpoints are classified.

    >>> from deepcollapse.ufm import balanced_factors
    >>> problem = Problem(classes=6, layers=2)
    >>> classify(balanced_factors(collapse(problem).logits, problem), problem).structure
    'dnc'
    """
    reading, loss = read_factors(factors, problem), regularised_loss(factors, problem)
    rank = _rank(reading, problem)
    candidates = nameable(problem) if known is None else known
    matching = (
        (name, s) for name, s in candidates if s.rank == rank and _agrees(s, reading, loss=loss, problem=problem)
    )
    found, layers = next(matching, None), layer_distances(factors, problem)
    collapsed = _collapse(problem)
    if found and collapsed and found[1].name == collapsed.name and layers.within(LOGITS_RTOL):
        found = ("dnc", found[1])
    return Verdict(
        structure=f"rank-{rank}" if found is None else found[0],
        rank=rank,
        loss=loss,
        loss_gap=None if found is None else loss - found[1].loss,
        dnc_distance=dnc_distance(reading.logits, problem),
        layers=layers,
        nearest=nearest(
            reading.logits,
            candidates if found is None else [found],
            loss=loss,
            free_scale=_free_scale(problem),
        ),
        reading=reading,
    )


def dnc_distance(logits: Float[np.ndarray, "K K"], problem: Problem) -> float | None:
    """||Zbar - C|| / ||C||, the relative Frobenius distance of class-mean logits from those of deep neural collapse.

    C is ``ufm.collapse`` at the problem's samples and decay: the simplex ("ce") or the orthogonal frame ("mse") at its
    best scale. Both are the same in every class order, so no permutation has to be sought. 0 at collapse, 1 at Z = 0.
    With unequal samples C is the one-layer frame, which no permutation of classes of one size changes.
    A ReLU network has a scale of its own, and beyond one layer so has an end near the frame, which is no critical point
    there: Zbar is brought to the norm of C first.

    Returns:
        None where collapse does not exist at this decay or has a rank above the width.

    >>> problem = Problem(classes=4, layers=2)
    >>> dnc_distance(0.5 * collapse(problem).logits, problem)
    0.5
    """
    collapsed = _collapse(problem)
    if collapsed is None:
        return None
    target, size = collapsed.logits, np.linalg.norm(logits)
    unit = np.linalg.norm(target)
    scale = unit / size if _free_scale(problem) and size > 0 else 1.0
    return float(np.linalg.norm(scale * logits - target) / unit)


def _free_scale(problem: Problem) -> bool:
    """Whether patterns are compared at equal norm, because ends have scales that no structure has."""
    return problem.activation == "relu" or not (problem.balanced or problem.layers == 1)


def _rectified(problem: Problem) -> bool:
    """Whether a hidden layer has an activation that acts."""
    return problem.activation == "relu" and problem.layers > 1


def _rank(reading: Reading, problem: Problem) -> int:
    """Logits below 1e-3 are zero: no run stops at smaller ones, save for L = 1 within a hair of the largest decay."""
    unit = np.sqrt(min(problem.class_samples))  # singular value of one logit of size one, repeated over a class
    return int((reading.singular_values > RANK_RTOL * max(reading.singular_values[0], unit)).sum())


def _agrees(structure: Structure, reading: Reading, *, loss: float, problem: Problem) -> bool:
    """Whether a structure of the same rank is what was read, cheapest comparison first."""
    if structure.rank == 0:
        return True
    fixed = not _free_scale(problem)
    if reading.within_class > LOGITS_RTOL or (fixed and abs(loss - structure.loss) > LOSS_RTOL * structure.loss):
        return False
    target, values = structure.singular_values, reading.singular_values[: structure.rank]
    scale = 1.0 if fixed else float(np.linalg.norm(target) / np.linalg.norm(values))
    if np.abs(scale * values - target).max() > LOGITS_RTOL * target[0]:
        return False
    return aligned(scale * reading.logits, structure.logits, rtol=LOGITS_RTOL) is not None


@lru_cache(maxsize=1)  # solved once per ensemble, not once per run
def _collapse(problem: Problem) -> Structure | None:
    try:
        collapsed = collapse(problem)
    except UndefinedError:
        return None
    return collapsed if collapsed.rank <= problem.d else None
