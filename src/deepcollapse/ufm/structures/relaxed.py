"""The critical point beside the paired trial point when the number of classes is odd."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag
from scipy.optimize import minimize, root

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.structures.families import paired_trial
from deepcollapse.ufm.structures.pattern import Structure

__all__ = ["relaxed_pairs"]

_SMALL = 1e-9  # slopes left, in units of the decay: critical points solved in float64 leave about 1e-13


def relaxed_pairs(problem: Problem) -> Structure:
    """Pairs of opposite classes and one lone class, all centred: pairs(b) + u v^T, u = e_K - 1/K, v = (y, ..., y, x).

    Three parameters (b, x, y), a critical point of F with (K - 1)/2 singular values 2 b sqrt(n) and one
    sqrt(n) ||u|| ||v||. Found from the paired trial point by minimising over the three, then solving for zero gradient.

    Raises:
        InvalidInputError: K is even, or the loss is not cross-entropy.
        UndefinedError: there is no such point near the trial point at this decay.

    Source: derived; at K = 5, L = 2, decay 2^-10 its loss is 0.0245134291.
    """
    if problem.classes % 2 == 0 or problem.classes < 3 or problem.loss != "ce":
        raise InvalidInputError(
            f"relaxed pairs: expected odd K >= 3 and cross-entropy, but found K = {problem.classes} and "
            f"{problem.loss!r}; use the paired structure"
        )
    scales = _polished(_descended(problem), problem)
    values = _singular_values(scales, problem)
    order = np.sort(values)[::-1]
    return Structure(
        name="paired",
        scales=tuple(map(float, scales)),
        loss=float(_objective(scales, problem)),
        rank=order.size,
        singular_values=order,
        critical=True,
        matrix=lambda found: _matrix(found, problem.classes),
    )


def _descended(problem: Problem) -> Float[np.ndarray, " 3"]:
    try:
        start = Ray(paired_trial(problem).blocks[0], problem).minimum()
    except UndefinedError as error:
        raise UndefinedError(f"paired: {error}") from None
    begin = np.array([start, start, 0.0])
    with np.errstate(all="ignore"):  # trial steps may leave the range of the exponentials
        return minimize(_objective, begin, args=(problem,), jac=_slopes, method="BFGS", options={"gtol": 1e-9}).x


def _polished(scales: Float[np.ndarray, " 3"], problem: Problem) -> Float[np.ndarray, " 3"]:
    with np.errstate(all="ignore"):
        found = root(_slopes, scales, args=(problem,), tol=1e-15).x
        # slopes times scales: far out the slopes vanish by themselves, and that is not a critical point
        small = np.abs(_slopes(found, problem) * np.maximum(np.abs(found), 1.0)).max() < _SMALL * problem.mean_decay
    if not small or min(found[0], found[1]) <= 0:
        raise UndefinedError(
            f"paired: expected a critical point near the trial point, but found none at decay "
            f"{problem.mean_decay:.9g}; lower the decay"
        )
    return found


def _objective(scales: Float[np.ndarray, " 3"], problem: Problem) -> float:
    b, x, y = scales
    k = problem.classes
    pair = np.logaddexp.reduce([0.0, -2 * b, np.log(max(k - 3, 1e-300)) - b, y - b])
    alone = np.logaddexp(0.0, np.log(k - 1) - x)
    cost = 0.5 * problem.factors * problem.mean_decay
    values = np.abs(_singular_values(scales, problem))
    return float((k - 1) / k * pair + alone / k + cost * (values**problem.penalty_power).sum())


def _slopes(scales: Float[np.ndarray, " 3"], problem: Problem) -> Float[np.ndarray, " 3"]:
    b, x, y = scales
    k, n = problem.classes, problem.class_samples[0]
    terms = np.array([np.exp(-2 * b), (k - 3) * np.exp(-b), np.exp(y - b)])
    pair = (k - 1) / k / (1.0 + terms.sum())
    alone = (k - 1) * np.exp(-x)
    length = np.hypot(x, np.sqrt(k - 1) * y)
    pull = problem.mean_decay * (n * (k - 1) / k) ** (1 / problem.factors) * length ** (problem.penalty_power - 2)
    return np.array(
        [
            -pair * (2 * terms[0] + terms[1] + terms[2])
            + problem.mean_decay
            * (k - 1)
            / 2
            * (2 * np.sqrt(n)) ** problem.penalty_power
            * b ** (problem.penalty_power - 1),
            -alone / (1.0 + alone) / k + pull * x,
            pair * terms[2] + pull * (k - 1) * y,
        ]
    )


def _singular_values(scales: Float[np.ndarray, " 3"], problem: Problem) -> Float[np.ndarray, " r"]:
    b, x, y = scales
    k = problem.classes
    alone = np.sqrt((k - 1) / k) * np.hypot(x, np.sqrt(k - 1) * y)
    return np.sqrt(problem.class_samples[0]) * np.array([2 * b] * ((k - 1) // 2) + [alone])


def _matrix(scales: tuple[float, ...], classes: int) -> Float[np.ndarray, "K K"]:
    b, x, y = scales
    pair = np.array([[b, -b], [-b, b]])
    u = np.eye(classes)[-1] - 1.0 / classes
    v = np.append(np.full(classes - 1, y), x)
    return block_diag(*[pair] * (classes // 2), [[0.0]]) + np.outer(u, v)
