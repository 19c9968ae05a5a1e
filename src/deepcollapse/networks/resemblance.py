"""Which named structure a matrix of logits resembles."""

import numpy as np
from jaxtyping import Float

from deepcollapse.ufm import Structure
from deepcollapse.ufm.permutation import aligned

__all__ = ["resembled_structure"]

SHAPE_TOLERANCE = 0.1  # structures of ten classes are at least three times as far from each other

_COARSENESS = (0.01, 0.03, 0.1, 0.25)


def resembled_structure(
    logits: Float[np.ndarray, "K K"], candidates: tuple[Structure, ...], *, rtol: float = SHAPE_TOLERANCE
) -> str | None:
    """Name of the candidate whose logits are nearest at equal norm, up to a class permutation; None if none is near.

    Near is a distance of at most ``rtol`` times the norm, with no entry off by a quarter of the candidate's largest.
    Classes are matched at several coarsenesses, because one above the gaps between a structure's values cannot tell
    them apart, and one below the deviation finds no match.
    Logits with at most ``rtol`` times the norm of every candidate are "zero".

    >>> from deepcollapse.ufm import Problem, structures
    >>> problem = Problem(classes=6, layers=2)
    >>> resembled_structure(np.kron(np.eye(3), [[1.0, -0.9], [-0.9, 1.0]]), structures(problem))
    'paired'
    """
    shapes = {known.name: known.logits for known in candidates if known.rank > 0}
    size = float(np.linalg.norm(logits))
    if size <= rtol * min((float(np.linalg.norm(shape)) for shape in shapes.values()), default=0.0):
        return "zero"
    if not shapes:
        return None
    distances = {name: _distance(logits / size, shape / np.linalg.norm(shape)) for name, shape in shapes.items()}
    nearest = min(distances, key=lambda name: distances[name])
    return nearest if distances[nearest] <= rtol else None


def _distance(logits: Float[np.ndarray, "K K"], shape: Float[np.ndarray, "K K"]) -> float:
    orders = (aligned(logits, shape, rtol=rtol) for rtol in _COARSENESS)
    found = [np.linalg.norm(logits[np.ix_(order, order)] - shape) for order in orders if order is not None]
    return float(min(found, default=np.inf))
