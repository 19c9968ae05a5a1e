"""Patterns given as a matrix: the user's own, or a family's under class imbalance."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.ufm.objective import expect_class_logits, weighted_logits
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Block, Column
from deepcollapse.ufm.stationarity import is_critical
from deepcollapse.ufm.structures.pattern import Pattern, Structure, solve

__all__ = ["given"]


def given(matrix: Float[np.ndarray, "K K"], problem: Problem, *, name: str = "given") -> Structure:
    """A matrix of class logits at its best scale, with samples per class of any numbers.

    Whether it is a critical point or only a trial point is measured, not assumed.

    Args:
        matrix: class logits up to scale, K x K.
        problem: the model.
        name: how to call it.

    Raises:
        InvalidInputError: wrong shape, not finite, or zero.
        UndefinedError: no stationary scale at this decay.

    >>> given(np.eye(4) - 0.25, Problem(classes=4, layers=2), name="mine").critical
    True
    """
    expect_class_logits(matrix, problem)
    if not matrix.any():
        raise InvalidInputError("logits: expected a non-zero pattern, but found zeros only; use the zero structure")
    pattern = Pattern(
        name=name,
        blocks=(_block(matrix, problem),),
        matrix=lambda scales: scales[0] * matrix,
        critical=False,
    )
    found = solve(pattern, problem)
    return replace(found, critical=is_critical(found.logits, problem))


def _block(matrix: Float[np.ndarray, "K K"], problem: Problem) -> Block:
    values = np.linalg.svd(weighted_logits(matrix, problem), compute_uv=False)
    values = values[: numerical_rank(values)]
    return Block(_columns(matrix, problem), values, np.ones_like(values))


def _columns(matrix: Float[np.ndarray, "K K"], problem: Problem) -> tuple[Column, ...]:
    """The columns of the pattern, equal ones and equal gaps taken together."""
    met: dict[tuple[float, float, bytes, bytes], Column] = {}
    for index, weight in enumerate(problem.class_weights.tolist()):
        column = matrix[:, index]
        gaps, counts = np.unique(np.delete(column - column[index], index), return_counts=True)
        key = (float(column[index]), float(column @ column), gaps.tobytes(), counts.tobytes())
        share = weight + (met[key].weight if key in met else 0.0)
        met[key] = Column(share, gaps, counts.astype(float), key[0], key[1])
    return tuple(met.values())
