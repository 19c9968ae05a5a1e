"""Which named structure of the theory class-mean logits resemble."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.linalg import numerical_rank
from deepcollapse.metrics.class_matching import best_fits, combination
from deepcollapse.metrics.class_vectors import class_vectors, unit_scaled
from deepcollapse.metrics.nc2 import simplex_distance
from deepcollapse.ufm import Problem, structures

__all__ = ["StructureMatch", "structure_distances"]

_MOST_CLASSES = 32  # beyond it only the simplex, whose distance needs no permutation
_ROUNDING = 1e-13  # columns whose entries differ by less than this share of the largest logit are constant


@dataclass(frozen=True, slots=True)
class StructureMatch:
    """Class-mean logits against the named structures, each at equal norm and its best class permutation found.

    Attributes:
        simplex: relative distance to the simplex (deep neural collapse); exact.
        distances: relative distance to each named structure, nearest first; "simplex" is among them.
        nearest: name of the first; None where only the simplex was compared although there are others.
        rank: singular values of the logits without column means that exceed 1e-3 times the largest.
    """

    simplex: float
    distances: dict[str, float]
    nearest: str | None
    rank: int


def structure_distances(logits: Shaped[np.ndarray, "..."], *, rtol: float = 1e-3) -> StructureMatch:
    """Distances min_p || Z[p, p] / ||Z|| - P / ||P|| || (Frobenius) of class-mean logits to the structures P of theory.

    The mean of each column is removed from Z first, and nothing else: it changes no softmax. All structures for
    cross-entropy have such columns. A constant along a row, such as a bias, changes the decision and stays. Structures
    with several free scales, as a partition into groups of different size, stand for every choice of positive scales,
    and the nearest counts; so no weight decay is needed. Each distance is from 0 to 2, and sqrt(2) for logits
    orthogonal to the structure.

    Zero for a structure in any class order, to rounding. Invariant under positive scaling and constants along columns;
    under class permutations for the simplex always, for others as far as the search finds the best permutation: exactly
    up to 6 classes; beyond that the distance is attained, but a smaller one may exist when no structure is near. More
    than 32 classes are compared with the simplex only. Milliseconds at K = 10, O(K^3) beyond 32.

    Args:
        logits: K x K; rows: class whose logit, columns: class of the samples.
        rtol: share of the largest singular value up to which one does not count for the rank; of more than 32 classes
            at least 1e-7.

    Raises:
        InvalidInputError: not a finite square matrix of two classes or more, or rtol outside [0, 1).
        UndefinedError: the logits are constant along every column, so that no class is preferred.

    Source: arXiv 2410.23169 (simplex, pairs); arXiv 2405.14468 (T_m); partitions and the circle are derived.

    >>> found = structure_distances(np.kron(np.eye(3), [[4.0, -4.0], [-4.0, 4.0]])[::-1, ::-1])
    >>> found.nearest, found.rank, round(found.distances["paired"], 12), round(found.simplex, 6)
    ('paired', 3, 0.0, 0.671421)
    """
    if not 0.0 <= rtol < 1.0:
        raise InvalidInputError(f"rtol: expected a share from 0 to below 1, but found {rtol}; the default is 1e-3")
    centred = _centred(logits)
    classes, norm = len(centred), float(np.linalg.norm(centred))
    simplex = simplex_distance(centred)
    found = {"simplex": simplex}
    if classes <= _MOST_CLASSES and (families := _families(classes)):
        patterns = _stacked(list(families.values()))
        orders, fits = best_fits(centred / norm, patterns)
        shapes = (combination(fits)[..., None, None] * patterns).sum(axis=1)
        moved = centred[orders[:, :, None], orders[:, None, :]] / norm
        apart = np.linalg.norm(moved - shapes, axis=(1, 2))
        found |= dict(zip(families, apart.tolist(), strict=True))
    ordered = dict(sorted(found.items(), key=lambda item: item[1]))
    return StructureMatch(
        simplex=simplex,
        distances=ordered,
        nearest=next(iter(ordered)) if classes <= _MOST_CLASSES else None,
        rank=numerical_rank(_singular_values(centred), rtol=rtol if classes <= _MOST_CLASSES else max(rtol, 1e-7)),
    )


def _singular_values(matrix: Float[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """In any order; of many classes from the Gram matrix, faster and exact down to 1e-8 of the largest."""
    if len(matrix) <= _MOST_CLASSES:
        return np.linalg.svd(matrix, compute_uv=False)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(matrix.T @ matrix), 0.0))


def _centred(logits: np.ndarray) -> Float[np.ndarray, "K K"]:
    matrix = class_vectors("logits", logits)
    if matrix.shape[0] != matrix.shape[1]:
        raise InvalidInputError(
            f"logits: expected a square matrix, one row and one column per class, but found {matrix.shape}; take the "
            "mean logits of each class"
        )
    scaled = unit_scaled(matrix)
    centred = scaled - scaled[0]
    centred -= centred.mean(axis=0)
    if np.abs(centred).max() <= _ROUNDING:
        raise UndefinedError(
            f"logits: expected columns that vary, but found {len(matrix)} constant ones; no class is preferred, "
            "measure a trained classifier"
        )
    return unit_scaled(centred)


@lru_cache(maxsize=8)
def _families(classes: int) -> dict[str, tuple[Float[np.ndarray, "K K"], ...]]:
    """Orthonormal parts of every named structure for cross-entropy but zero and the simplex, one part per free scale.

    The decay only serves to make all of them exist. The paired trial point is a paired point that is not critical.
    """
    found = {}
    for known in structures(Problem(classes=classes, layers=1, decay=1e-6)):
        if known.name in ("zero", "simplex", "paired-trial"):
            continue
        units = np.diag(np.sign(known.scales))
        parts = (known.matrix(tuple(map(float, unit))) for unit in units)
        found[known.name] = tuple(part / np.linalg.norm(part) for part in parts)
    return found


def _stacked(families: list[tuple[np.ndarray, ...]]) -> Float[np.ndarray, "T b K K"]:
    """Parts of all families in one array, filled up with zeros."""
    most, size = max(map(len, families)), families[0][0].shape
    filled = np.zeros((len(families), most, *size))
    for row, parts in zip(filled, families, strict=True):
        row[: len(parts)] = parts
    return filled
