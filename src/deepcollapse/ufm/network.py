"""The factors of a deep UFM: forward pass, regularised loss and gradient, linear or ReLU."""

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm.losses import loss_gradient, mean_loss
from deepcollapse.ufm.problem import Problem

__all__ = [
    "Factors",
    "expect_factors",
    "factor_shapes",
    "forward",
    "gaussian_factors",
    "gradient",
    "hidden_inputs",
    "regularised_loss",
]

Factors = tuple[Float[np.ndarray, "_ _"], ...]
"""H_1 (d x N), W_1..W_{L-1} (d x d), W_L (K x d), in this order."""


def factor_shapes(problem: Problem) -> tuple[tuple[int, int], ...]:
    """Shapes of H_1, W_1, ..., W_L."""
    d = problem.d
    return ((d, problem.total_samples), *((d, d),) * (problem.layers - 1), (problem.classes, d))


def gaussian_factors(problem: Problem, generator: np.random.Generator, *, scale: float = 1.0) -> Factors:
    """Factors with independent N(0, scale^2 / d) entries."""
    return tuple(generator.normal(0.0, scale / np.sqrt(problem.d), shape) for shape in factor_shapes(problem))


def hidden_inputs(factors: Factors, problem: Problem) -> list[Float[np.ndarray, "_ N"]]:
    """What each factor after H_1 is applied to, then the logits: [H_1, a(H_2), ..., a(H_L), Z], a the activation."""
    inputs = [factors[0]]
    for depth, weight in enumerate(factors[1:], start=1):
        output = weight @ inputs[-1]
        inputs.append(np.maximum(output, 0.0) if problem.activation == "relu" and depth < problem.layers else output)
    return inputs


def forward(factors: Factors, problem: Problem) -> Float[np.ndarray, "K N"]:
    """The logits Z of all samples."""
    return hidden_inputs(factors, problem)[-1]


def regularised_loss(factors: Factors, problem: Problem) -> float:
    """F(H_1, W_1, ..., W_L) = g(Z) + (1/2) sum_l decay_l ||A_l||^2.

    At least ``logits_objective`` of the class logits, with equality exactly at balanced collapsed linear networks.

    Raises:
        InvalidInputError: factors of the wrong number or shape, or not finite.
    """
    expect_factors(factors, problem)
    data = mean_loss(forward(factors, problem), problem.labels, _sample_weights(problem), kind=problem.loss)
    decay = sum(
        0.5 * decay * np.square(factor).sum() for decay, factor in zip(problem.factor_decays, factors, strict=True)
    )
    return float(data + decay)


def gradient(factors: Factors, problem: Problem) -> Factors:
    """Gradient of ``regularised_loss`` in every factor (relu'(0) = 0)."""
    inputs = hidden_inputs(factors, problem)
    error = loss_gradient(inputs[-1], problem.labels, _sample_weights(problem), kind=problem.loss)
    gradients = []
    for depth in range(problem.layers, 0, -1):
        gradients.append(error @ inputs[depth - 1].T)
        error = factors[depth].T @ error
        if problem.activation == "relu" and depth >= 2:
            error = error * (inputs[depth - 1] > 0)
    data = (error, *reversed(gradients))
    return tuple(g + decay * a for g, decay, a in zip(data, problem.factor_decays, factors, strict=True))


def expect_factors(factors: Factors, problem: Problem) -> None:
    """Raise InvalidInputError unless the factors have the problem's shapes and finite entries."""
    found = tuple(factor.shape for factor in factors)
    if found != factor_shapes(problem):
        raise InvalidInputError(
            f"factors: expected shapes {factor_shapes(problem)} (H_1, W_1, ..., W_L), but found {found}; "
            "check width, layers and samples of the problem"
        )
    for index, factor in enumerate(factors):
        if not np.isfinite(factor).all():
            raise InvalidInputError(
                f"factors: expected finite entries, but found NaN or infinity in factor {index}; remove them"
            )


def _sample_weights(problem: Problem) -> Float[np.ndarray, " N"]:
    return np.full(problem.total_samples, 1.0 / problem.total_samples)
