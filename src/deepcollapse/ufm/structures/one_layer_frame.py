"""Generalised collapse under class imbalance: the frame of the one-layer minimiser, at its best scale."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import UndefinedError
from deepcollapse.ufm.one_layer import OneLayerMinimum, one_layer_minimum
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Block, Column
from deepcollapse.ufm.stationarity import is_critical
from deepcollapse.ufm.structures.pattern import Pattern, Structure, solve

__all__ = ["one_layer_frame"]

_HALVINGS = 64


def one_layer_frame(problem: Problem) -> Structure:
    """The collapsed point of classes of any sizes: Z* of the one-layer model at this decay, times its best scale.

    Cross-entropy: Z* minimises mean loss + decay ||Zbar D||_*, D = diag(sqrt n_c) (``one_layer_minimum``). Squared
    error: Z* = diag(max(1 - decay N / sqrt(n_c), 0)). At L = 1 the scale is 1 and the point the global minimum; deeper,
    the point is in general no critical point, because the singular values are weighed differently there. Equal sizes
    give the simplex, or the orthogonal frame.

    Raises:
        UndefinedError: at this decay Z* is 0, or no scale of it is stationary.

    Source: arXiv 2410.23169, Appendix A.

    >>> point = one_layer_frame(Problem(classes=4, layers=2, samples=(10, 10, 2, 2)))
    >>> point.rank, round(point.loss, 7), point.critical
    (3, 0.03039, False)
    """
    try:
        pattern = _cross_entropy(problem) if problem.loss == "ce" else _squared_error(problem)
        found = solve(pattern, problem)
    except UndefinedError as error:
        raise UndefinedError(_remedy(error, problem)) from None
    return replace(found, critical=is_critical(found.logits, problem))


def _remedy(error: UndefinedError, problem: Problem) -> str:
    """The refusal, with a decay at which the point exists; found by halving, because the frame changes with it."""
    for halvings in range(1, _HALVINGS):
        decay = problem.mean_decay * 0.5**halvings
        try:
            make = _cross_entropy if problem.loss == "ce" else _squared_error
            solve(make(problem.replace(decay=decay)), problem.replace(decay=decay))
        except UndefinedError:
            continue
        return (
            f"one-layer-frame: expected a decay at which it exists, but found {problem.mean_decay:.9g} "
            f"({str(error).split(';')[0]}); it exists at {decay:.9g}"
        )
    return str(error)


def _cross_entropy(problem: Problem) -> Pattern:
    minimum = one_layer_minimum(problem)
    return Pattern(
        name="one-layer-frame",
        blocks=(Block(_columns(minimum), *_values(minimum)),),
        matrix=lambda scales: scales[0] * minimum.logits,
        critical=False,
    )


def _columns(minimum: OneLayerMinimum) -> tuple[Column, ...]:
    """One column per group: the gaps to its own other classes and to those of each other group."""
    groups = minimum.groups
    others, own = groups.columns(minimum.spread, minimum.block)
    numbers = groups.counts[:, None] - np.eye(groups.counts.size)
    squares = own**2 + (numbers * others**2).sum(axis=0)
    return tuple(
        Column(share, gaps[met], counts[met], diagonal, square)
        for share, gaps, counts, diagonal, square in zip(
            groups.shares.tolist(), (others - own).T, numbers.T, own.tolist(), squares.tolist(), strict=True
        )
        if (met := counts > 0).any()
    )


def _values(minimum: OneLayerMinimum) -> tuple[Float[np.ndarray, " v"], Float[np.ndarray, " v"]]:
    """Singular values of Zbar D and their multiplicities, the vanishing ones left out."""
    groups = minimum.groups
    mixed = np.linalg.svd(minimum.block, compute_uv=False)
    values = np.concatenate([minimum.spread * np.sqrt(groups.sizes), mixed])
    multiplicities = np.concatenate([groups.multiplicities, np.ones_like(mixed)])
    there = (values > 1e-12 * values.max()) & (multiplicities > 0)
    return values[there], multiplicities[there]


def _squared_error(problem: Problem) -> Pattern:
    """The minimiser of (1 / 2N) ||X - D||^2 + decay ||X||_*, X = Zbar D: D with decay N taken off, down to 0."""
    roots = np.sqrt(np.array(problem.class_samples, dtype=float))
    threshold = problem.mean_decay * problem.total_samples
    scales = np.maximum(1.0 - threshold / roots, 0.0)
    if not scales.any():
        raise UndefinedError(
            f"one-layer minimum: expected a decay below {roots.max() / problem.total_samples:.9g}, but found "
            f"{problem.mean_decay:.9g}; at this decay it is Z = 0, which has no frame: lower the decay"
        )
    rest = np.array([problem.classes - 1.0])
    columns = tuple(
        Column(weight, np.array([-scale]), rest, scale, scale**2)
        for weight, scale in zip(problem.class_weights.tolist(), scales.tolist(), strict=True)
    )
    values = (roots * scales)[scales > 0]
    return Pattern(
        name="one-layer-frame",
        blocks=(Block(columns, values, np.ones_like(values)),),
        matrix=lambda found: found[0] * np.diag(scales),
        critical=False,
    )
