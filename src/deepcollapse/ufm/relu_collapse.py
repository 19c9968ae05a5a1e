"""ReLU networks that are collapsed at every layer, drawn at random: points that the linear bound speaks of."""

import math

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm.network import Factors
from deepcollapse.ufm.problem import Problem

__all__ = ["relu_collapse"]


def relu_collapse(problem: Problem, generator: np.random.Generator, *, scale: float) -> Factors:
    """Factors of a ReLU network with logits alpha S whose class means are a simplex before and after every activation.

    Hidden class means are blocks a I + b 1 1^T, one for each K units, with random a and b of either sign, so that ReLU
    changes the global mean in either direction; other units are constant over the classes. Each weight is the least one
    that leads from layer to layer, and the factors are rescaled so that decay_l ||A_l||^2 are equal, which costs least.

    Args:
        problem: ReLU, equal samples, width >= K.
        generator: draws a, b and the frame of H_1.
        scale: alpha > 0.

    Raises:
        InvalidInputError: the problem is not of this kind.

    Source: arXiv 2410.23169, Definition 5; the construction is derived.

    >>> from deepcollapse.ufm import forward
    >>> problem = Problem(classes=3, layers=3, width=7, activation="relu")
    >>> forward(relu_collapse(problem, np.random.default_rng(0), scale=3.0), problem).round(6) + 0.0
    array([[ 2., -1., -1.],
           [-1.,  2., -1.],
           [-1., -1.,  2.]])
    """
    k, d = problem.classes, problem.d
    if problem.activation != "relu" or not problem.balanced or d < k:
        raise InvalidInputError(
            f"relu_collapse: expected a ReLU problem with equally many samples per class and a width >= {k}, but found "
            f"{problem.activation!r}, samples {problem.samples} and width {d}; change the problem"
        )
    frame = np.linalg.qr(generator.standard_normal((d, k)))[0]
    inputs = frame @ _block(k, generator)
    factors = [np.repeat(inputs, problem.class_samples, axis=1)]
    for _ in range(problem.layers - 1):
        means = _hidden(problem, generator)
        factors.append(means @ np.linalg.pinv(inputs))
        inputs = np.maximum(means, 0.0)
    factors.append(scale * (np.eye(k) - 1.0 / k) @ np.linalg.pinv(inputs))
    costs = np.array([c * np.square(a).sum() for c, a in zip(problem.factor_decays, factors, strict=True)])
    shared = math.exp(np.log(costs).mean())
    return tuple(a * math.sqrt(shared / cost) for a, cost in zip(factors, costs, strict=True))


def _hidden(problem: Problem, generator: np.random.Generator) -> Float[np.ndarray, "d K"]:
    k, blocks = problem.classes, problem.d // problem.classes
    constant = np.outer(generator.normal(0.0, 0.3, problem.d - k * blocks), np.ones(k))
    return np.vstack([*(_block(k, generator) for _ in range(blocks)), constant])


def _block(classes: int, generator: np.random.Generator) -> Float[np.ndarray, "K K"]:
    """The matrix a I + b 1 1^T of full rank, with entries that ReLU does not make all equal."""
    size, share = generator.uniform(0.5, 2.0), generator.uniform(-0.9, 0.6)
    if generator.random() < 0.25 and share > 0.05:
        return size * (share * np.ones((classes, classes)) - share * np.eye(classes))
    return size * (np.eye(classes) + (share if abs(share * classes + 1.0) > 0.05 else 0.0))
