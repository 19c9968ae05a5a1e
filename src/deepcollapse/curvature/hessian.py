"""The exact Hessian of the regularised loss as a linear map, and densely, for linear and ReLU networks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.ufm import Factors, Problem, factor_shapes, loss_gradient
from deepcollapse.ufm.network import expect_factors, hidden_inputs

__all__ = [
    "DENSE_LIMIT",
    "Directions",
    "HessianOperator",
    "LossCurvature",
    "dense_hessian",
    "flatten",
    "hessian_at",
    "hessian_vector_product",
    "linearised",
    "unflatten",
]

DENSE_LIMIT = 6000
"""Most parameters of a dense Hessian: 288 MB, and about a minute for its eigenvalues."""

_CHUNK = 2_000_000  # entries of one batch of directions

Directions = tuple[Float[np.ndarray, "... _ _"], ...]
"""One array per factor, of its shape; leading axes are a batch of directions."""


@dataclass(frozen=True, slots=True)
class LossCurvature:
    """Second derivative of the data term g in the logits, column by column.

    Attributes:
        weights: one per column.
        probability: softmax of the logits ("ce"), None for the squared error.
    """

    weights: Float[np.ndarray, " P"]
    probability: Float[np.ndarray, "K P"] | None

    def __call__(self, tangent: Float[np.ndarray, "... K P"]) -> Float[np.ndarray, "... K P"]:
        """C v per column: w (p * v - p (p . v)) for "ce", w v for "mse".

        Constants are in the kernel of C for "ce"; v is taken relative to the likeliest class, so that nothing cancels
        when that class has all but a tiny part of the probability.
        """
        if self.probability is None:
            return self.weights * tangent
        likeliest = tangent[..., self.probability.argmax(axis=0), np.arange(self.weights.size)]
        relative = tangent - likeliest[..., None, :]
        mean = (self.probability * relative).sum(axis=-2, keepdims=True)
        return self.weights * self.probability * (relative - mean)


@dataclass(frozen=True, slots=True)
class HessianOperator:
    """The second derivative of F = g(Z) + sum_l decay_l ||A_l||^2 / 2 in all factors A_l at one point.

    Attributes:
        factors: A_0 = H_1, A_1 = W_1, ..., A_L = W_L.
        inputs: x_0 = H_1, x_l = a_l(A_l x_{l-1}), x_L = Z; a_l is the identity or the ReLU.
        errors: derivative of g in A_l x_{l-1} for l = 0..L (for l = 0 in H_1).
        curvature: second derivative of g in Z.
        decays: one per factor.
        relu: whether a_1..a_{L-1} are ReLUs (derivative 0 at 0, so the Hessian at a kink is one-sided).
    """

    factors: Factors
    inputs: Factors
    errors: Factors
    curvature: LossCurvature
    decays: tuple[float, ...]
    relu: bool

    def product(self, direction: Directions) -> Directions:
        """The Hessian times a direction, or times each of a batch of them.

        The tangent of the forward pass, then the tangent of the backward pass: the cost of a few forward passes.
        Source: the R-operator of Pearlmutter, Neural Computation 6 (1994).
        """
        tangents = [direction[0]]
        for depth in range(1, len(self.factors)):
            step = direction[depth] @ self.inputs[depth - 1] + self.factors[depth] @ tangents[-1]
            tangents.append(self._gated(step, depth))
        change = self.curvature(tangents[-1])
        products = []
        for depth in range(len(self.factors) - 1, 0, -1):
            before = np.swapaxes(tangents[depth - 1], -1, -2)
            products.append(change @ self.inputs[depth - 1].T + self.errors[depth] @ before)
            turned = np.swapaxes(direction[depth], -1, -2) @ self.errors[depth]
            change = self._gated(turned + self.factors[depth].T @ change, depth - 1)
        data = (change, *reversed(products))
        return tuple(h + decay * v for h, decay, v in zip(data, self.decays, direction, strict=True))

    def flat_product(self, vectors: Float[np.ndarray, "... p"]) -> Float[np.ndarray, "... p"]:
        """``product`` for directions given as flat vectors."""
        return flatten(self.product(unflatten(vectors, self.shapes)))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the factors."""
        return tuple(factor.shape for factor in self.factors)

    @property
    def parameters(self) -> int:
        """Number of entries of all factors."""
        return sum(factor.size for factor in self.factors)

    def dense(self) -> Float[np.ndarray, "p p"]:
        """The Hessian as a matrix on flattened factors.

        Raises:
            TooLargeError: more than ``DENSE_LIMIT`` parameters.
        """
        size = self.parameters
        if size > DENSE_LIMIT:
            raise TooLargeError(
                f"dense Hessian: expected at most {DENSE_LIMIT} parameters, but found {size}; "
                "use extreme_eigenvalues, which needs Hessian-vector products only"
            )
        matrix = np.empty((size, size))
        rows = max(1, _CHUNK // max(size, 1))
        for start in range(0, size, rows):
            units = np.eye(min(rows, size - start), size, k=start)
            matrix[start : start + rows] = self.flat_product(units)
        return matrix

    def _gated(self, array: Float[np.ndarray, "... a b"], depth: int) -> Float[np.ndarray, "... a b"]:
        hidden = 0 < depth < len(self.factors) - 1
        return array * (self.inputs[depth] > 0) if self.relu and hidden else array


def hessian_at(factors: Factors, problem: Problem) -> HessianOperator:
    """The Hessian of ``ufm.regularised_loss`` at given factors, critical or not.

    Raises:
        InvalidInputError: factors of the wrong number or shape, or not finite.
    """
    expect_factors(factors, problem)
    inputs = tuple(hidden_inputs(factors, problem))
    weights = np.full(problem.total_samples, 1.0 / problem.total_samples)
    return linearised(
        factors,
        inputs,
        error=loss_gradient(inputs[-1], problem.labels, weights, kind=problem.loss),
        curvature=LossCurvature(weights, softmax(inputs[-1], axis=0) if problem.loss == "ce" else None),
        problem=problem,
    )


def linearised(
    factors: Factors,
    inputs: Factors,
    *,
    error: Float[np.ndarray, "K P"],
    curvature: LossCurvature,
    problem: Problem,
) -> HessianOperator:
    """The operator for a data term known to second order: its gradient ``error`` and ``curvature`` in the logits.

    Only decays and activation of the problem are used, so that the columns need not be its samples.
    """
    relu = problem.activation == "relu"
    errors = [error]
    for depth in range(len(factors) - 1, 0, -1):
        error = factors[depth].T @ error
        error = error * (inputs[depth - 1] > 0) if relu and depth >= 2 else error
        errors.append(error)
    return HessianOperator(
        factors=factors,
        inputs=inputs,
        errors=tuple(reversed(errors)),
        curvature=curvature,
        decays=problem.factor_decays,
        relu=relu,
    )


def hessian_vector_product(factors: Factors, direction: Directions, problem: Problem) -> Directions:
    """The Hessian of ``ufm.regularised_loss`` times a direction, exactly, for linear and ReLU networks.

    Args:
        factors: where.
        direction: one array per factor of its shape, with the same leading batch axes in front if any.
        problem: the model.

    Raises:
        InvalidInputError: factors or direction of the wrong number or shape, or not finite.

    >>> problem = Problem(classes=2, layers=1, decay=0.5)
    >>> zero, one = np.zeros((2, 2)), np.ones((2, 2))
    >>> hessian_vector_product((zero, zero), (one, one), problem)[0].round(6)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    found = tuple(part.shape[-2:] for part in direction)
    if found != factor_shapes(problem):
        raise InvalidInputError(
            f"direction: expected the shapes of the factors {factor_shapes(problem)}, but found {found}; "
            "give one array per factor, batch axes in front"
        )
    return hessian_at(factors, problem).product(direction)


def dense_hessian(factors: Factors, problem: Problem) -> Float[np.ndarray, "p p"]:
    """The Hessian of ``ufm.regularised_loss`` as a matrix on ``flatten(factors)``, symmetric up to rounding.

    Raises:
        InvalidInputError: as ``hessian_at``.
        TooLargeError: more than ``DENSE_LIMIT`` parameters.
    """
    return hessian_at(factors, problem).dense()


def flatten(factors: Directions) -> Float[np.ndarray, "... p"]:
    """All entries in one vector: H_1 row by row, then W_1, ..., W_L; batch axes stay in front."""
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in factors], axis=-1)


def unflatten(vector: Float[np.ndarray, "... p"], shapes: tuple[tuple[int, ...], ...]) -> Directions:
    """The inverse of ``flatten`` for factors of these shapes (``ufm.factor_shapes(problem)``)."""
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    parts = np.split(vector, ends, axis=-1)
    return tuple(part.reshape(*vector.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True))
