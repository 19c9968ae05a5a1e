"""Dimension of the set of optimal factorisations of fixed logits."""

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem

__all__ = ["solution_dimension"]


def solution_dimension(rank: int, problem: Problem) -> int:
    """Dimension of the manifold of balanced factors with given logits of that rank, L (r d - r (r + 1) / 2).

    The L orthonormal frames (d x r) of Lemma 1 are free, each on its Stiefel manifold; nothing else is. Zero for rank
    0. It is the Hessian's nullity at a minimum that is as isolated as the symmetry lets it be (Morse-Bott).

    Source: derived; arXiv 2410.23169 (Theorem 5) counts L (r d - C), r (r + 1) / 2 <= C <= r^2, instead.

    Args:
        rank: of the logits, 0 <= rank <= min(K, d).
        problem: gives layers, classes and width.

    Raises:
        InvalidInputError: the rank is negative or above the width or the number of classes.

    >>> solution_dimension(9, Problem(classes=10, layers=2, width=70))
    1170
    """
    if not 0 <= rank <= min(problem.classes, problem.d):
        raise InvalidInputError(
            f"rank: expected 0 to min(classes, width) = {min(problem.classes, problem.d)}, but found {rank}; "
            "widen the model or lower the rank"
        )
    rank, width = int(rank), int(problem.d)
    return int(problem.layers) * (rank * width - rank * (rank + 1) // 2)
