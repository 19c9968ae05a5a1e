"""What a trained deep head is: its loss against deep neural collapse, its rank, the structure it resembles."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.ufm import Factors, Problem, Structure, collapse, read_factors, regularised_loss, structures
from deepcollapse.ufm.permutation import aligned

__all__ = ["HeadVerdict", "Ranks", "head_verdict", "resembled_structure"]

PAPER_TOLERANCE = 1e-6
SCALE_FREE_TOLERANCE = 1e-3
SHAPE_TOLERANCE = 0.1  # structures of ten classes are at least three times as far from each other

_ROUNDING = 1e-12  # relative, of losses
_COARSENESS = (0.01, 0.03, 0.1, 0.25)


@dataclass(frozen=True, slots=True)
class Ranks:
    """Number of singular values of the class-mean logits, by two rules.

    Attributes:
        paper: above 1e-6, as in arXiv 2410.23169; unused ones sink below it only long after the rank is decided.
        scale_free: above 1e-3 times the largest.
    """

    paper: int
    scale_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadVerdict:
    """A deep head and the features that enter it, held against the theory of the linear model at the same decays.

    Attributes:
        objective: F at the factors.
        dnc_bound: least loss of deep neural collapse in the linear model; it bounds that of ReLU heads from below too.
        below_bound: whether the objective is below it: then the network is better than any collapsed one. Above it
            little follows, because features may be unable to collapse.
        best_structure: name and
        best_structure_loss: loss of the best named structure of the linear model; points without a name can be lower.
        logits: class-mean logits, K x K.
        singular_values: of the class-mean logits, non-increasing.
        ranks: how many of them count.
        structure: the named structure that the class-mean logits are, up to scale, class permutation and a tenth of
            their norm; None if there is none.
        within_class: ||Z - class means|| / ||Z||.
        imbalance: relative distance of adjacent factors from the balancedness of critical points.
    """

    objective: float
    dnc_bound: float
    below_bound: bool
    best_structure: str
    best_structure_loss: float
    logits: Float[np.ndarray, "K K"]
    singular_values: Float[np.ndarray, " K"]
    ranks: Ranks
    structure: str | None
    within_class: float
    imbalance: float


def head_verdict(factors: Factors, problem: Problem) -> HeadVerdict:
    """Read a head in float64 and compare it with collapse and the named structures.

    Args:
        factors: features H_1 and head weights W_1, ..., W_L.
        problem: sizes and decays they were trained with; its activation is the head's.

    Raises:
        InvalidInputError: factors that do not fit the problem.
        UndefinedError: at these decays deep neural collapse does not exist.
    """
    linear = problem.replace(activation="linear")
    bound, known = collapse(linear).loss, structures(linear)
    loss, reading = regularised_loss(factors, problem), read_factors(factors, problem)
    values = np.linalg.svd(reading.logits, compute_uv=False)
    return HeadVerdict(
        objective=loss,
        dnc_bound=bound,
        below_bound=loss < bound * (1.0 - _ROUNDING),
        best_structure=known[0].name,
        best_structure_loss=known[0].loss,
        logits=reading.logits,
        singular_values=values,
        ranks=Ranks(int((values > PAPER_TOLERANCE).sum()), numerical_rank(values, rtol=SCALE_FREE_TOLERANCE)),
        structure=resembled_structure(reading.logits, known),
        within_class=reading.within_class,
        imbalance=reading.imbalance,
    )


def resembled_structure(
    logits: Float[np.ndarray, "K K"], candidates: tuple[Structure, ...], *, rtol: float = SHAPE_TOLERANCE
) -> str | None:
    """Name of the candidate whose logits are nearest at equal norm, up to a class permutation; None if none is near.

    Near is a distance of at most ``rtol`` times the norm, with no entry off by a quarter of the candidate's largest.
    Classes are matched at several coarsenesses, because one above the gaps between a structure's values cannot tell
    them apart, and one below the deviation finds no match.
    Logits with less than ``rtol`` times the norm of every candidate are "zero".

    >>> problem = Problem(classes=6, layers=2)
    >>> resembled_structure(np.kron(np.eye(3), [[1.0, -0.9], [-0.9, 1.0]]), structures(problem))
    'paired'
    """
    shapes = {known.name: known.logits for known in candidates if known.rank > 0}
    size = float(np.linalg.norm(logits))
    if size <= rtol * min(float(np.linalg.norm(shape)) for shape in shapes.values()):
        return "zero"
    distances = {name: _distance(logits / size, shape / np.linalg.norm(shape)) for name, shape in shapes.items()}
    nearest = min(distances, key=lambda name: distances[name])
    return nearest if distances[nearest] <= rtol else None


def _distance(logits: Float[np.ndarray, "K K"], shape: Float[np.ndarray, "K K"]) -> float:
    orders = (aligned(logits, shape, rtol=rtol) for rtol in _COARSENESS)
    found = [np.linalg.norm(logits[np.ix_(order, order)] - shape) for order in orders if order is not None]
    return float(min(found, default=np.inf))
