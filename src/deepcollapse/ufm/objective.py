"""The objective as a function of the logits alone: data term plus Schatten quasi-norm."""

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm.losses import mean_loss
from deepcollapse.ufm.problem import Problem

__all__ = ["expect_class_logits", "logits_objective", "schatten_penalty", "weighted_logits"]


def weighted_logits(logits: Float[np.ndarray, "K K"], problem: Problem) -> Float[np.ndarray, "K K"]:
    """Zbar diag(sqrt(n_k)): the K x K matrix with the non-zero singular values of Z, the K x N logits.

    Column k of Z repeats the class logits n_k times, so Z = (Zbar D) E^T with D = diag(sqrt n_k) and E orthonormal.
    """
    return logits * np.sqrt(np.array(problem.class_samples, dtype=float))


def schatten_penalty(singular_values: Float[np.ndarray, "*batch r"], problem: Problem) -> Float[np.ndarray, "*batch"]:
    """(M decay / 2) sum_i s_i^(2/M): the least weight decay cost of any factorisation of Z into M factors.

    decay is the geometric mean over the factors. Zero only at Z = 0; unitarily invariant; as M grows it tends to a
    multiple of the rank. Source: arXiv 2410.23169, Section 2 (with M factors for the logits); unequal decays derived.

    >>> round(float(schatten_penalty(np.array([8.0]), Problem(classes=2, layers=2, decay=0.5))), 12)
    3.0
    """
    power_sum = np.power(singular_values, problem.penalty_power).sum(axis=-1)
    return np.asarray(0.5 * problem.factors * problem.mean_decay * power_sum)


def logits_objective(logits: Float[np.ndarray, "K K"], problem: Problem) -> float:
    """F(Zbar): the least regularised loss of a linear network of width >= rank whose class logits are Zbar.

    Invariant under permuting rows and columns alike when all classes have equally many samples. Costs one K x K SVD.

    Args:
        logits: class logits, column k belongs to class k.
        problem: the model; its width is not used.

    Raises:
        InvalidInputError: wrong shape, or NaN or infinite entries.

    >>> round(logits_objective(np.zeros((4, 4)), Problem(classes=4, layers=2)), 6)
    1.386294
    """
    expect_class_logits(logits, problem)
    data = mean_loss(logits, np.arange(problem.classes), problem.class_weights, kind=problem.loss)
    values = np.linalg.svd(weighted_logits(logits, problem), compute_uv=False)
    floor = values[0] * np.finfo(float).eps * problem.classes  # rounding noise is not rank
    return float(data + schatten_penalty(values[values > floor], problem))


def expect_class_logits(logits: np.ndarray, problem: Problem) -> None:
    """Raise InvalidInputError unless ``logits`` is a finite K x K matrix."""
    shape = (problem.classes, problem.classes)
    if not isinstance(logits, np.ndarray) or logits.dtype.kind != "f":
        raise InvalidInputError(
            f"logits: expected an array of real floating point numbers, but found {type(logits).__name__} "
            f"{getattr(logits, 'dtype', '')}; convert with numpy.asarray(logits, dtype=float)"
        )
    if logits.shape != shape:
        raise InvalidInputError(
            f"logits: expected shape {shape}, one column per class, but found {logits.shape}; average over samples"
        )
    if not np.isfinite(logits).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(logits))[0])
        raise InvalidInputError(
            f"logits: expected finite entries, but found {logits[where]} at {where}; remove NaN and infinities"
        )
