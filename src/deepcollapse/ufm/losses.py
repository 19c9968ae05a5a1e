"""The data term g of the objective as a function of the logits: value, gradient, curvature.

All functions take logits with one column per point (``... K P``), the class of each column and its weight in the mean,
so that they serve N samples (weights 1/N) and K class logits (weights n_k / N) alike.
"""

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.ufm.problem import Loss

__all__ = ["column_hessians", "loss_gradient", "mean_loss"]


def mean_loss(
    logits: Float[np.ndarray, "*batch K P"],
    labels: Int[np.ndarray, " P"],
    weights: Float[np.ndarray, " P"],
    *,
    kind: Loss,
) -> Float[np.ndarray, "*batch"]:
    """The data term g = sum_p w_p l(z_p, y_p), l = log sum_i e^(z_i - z_y) ("ce") or ||z - e_y||^2 / 2 ("mse").

    For "ce" the sum over the wrong classes goes through log1p, so that small losses keep their digits, and nothing
    changes when a constant is added to a column. Zero only in the limit of infinite margins ("ce") or at Z = Y ("mse").

    >>> round(float(mean_loss(np.zeros((2, 2)), np.arange(2), np.full(2, 0.5), kind="ce")), 6)
    0.693147
    """
    columns = np.arange(labels.size)
    if kind == "ce":
        gaps = logits - logits[..., labels, columns][..., None, :]
        gaps[..., labels, columns] = -np.inf
        per_column = np.logaddexp(0.0, np.logaddexp.reduce(gaps, axis=-2))
    else:
        per_column = 0.5 * np.square(logits - _one_hot(labels, logits.shape[-2])).sum(axis=-2)
    return np.asarray(per_column @ weights)


def loss_gradient(
    logits: Float[np.ndarray, "*batch K P"],
    labels: Int[np.ndarray, " P"],
    weights: Float[np.ndarray, " P"],
    *,
    kind: Loss,
) -> Float[np.ndarray, "*batch K P"]:
    """dg/dZ: columns w_p (softmax(z_p) - e_y) for "ce", w_p (z_p - e_y) for "mse".

    The entry of the correct class is minus the sum of the others, which keeps its digits where softmax is near 1.
    """
    correct = _one_hot(labels, logits.shape[-2])
    if kind == "mse":
        return (logits - correct) * weights
    wrong = _softmax(logits) * (1.0 - correct)
    return (wrong - correct * wrong.sum(axis=-2, keepdims=True)) * weights


def column_hessians(
    logits: Float[np.ndarray, "K P"], weights: Float[np.ndarray, " P"], *, kind: Loss
) -> Float[np.ndarray, "P K K"]:
    """Second derivative of g in each column of Z: w_p (diag(p) - p p^T) for "ce", w_p I for "mse"."""
    classes = logits.shape[0]
    if kind == "mse":
        return weights[:, None, None] * np.eye(classes)
    probability = _softmax(logits).T
    return weights[:, None, None] * (
        probability[:, :, None] * np.eye(classes) - probability[:, :, None] * probability[:, None, :]
    )


def _one_hot(labels: Int[np.ndarray, " P"], classes: int) -> Float[np.ndarray, "K P"]:
    return np.eye(classes)[:, labels]


def _softmax(logits: Float[np.ndarray, "*batch K P"]) -> Float[np.ndarray, "*batch K P"]:
    return np.exp(logits - np.logaddexp.reduce(logits, axis=-2, keepdims=True))
