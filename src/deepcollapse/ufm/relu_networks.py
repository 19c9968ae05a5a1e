"""Explicit ReLU networks of low rank: upper bounds of the least loss of the ReLU model.

In each of them every hidden input is non-negative and the hidden weights leave it as it is up to a factor, so ReLU does
nothing and the logits are a known pattern times one scale beta. The model is homogeneous: among all rescalings of the
factors by positive numbers of product one, the decay cost is least where all decay_l ||A_l||^2 are equal, and is then

    (M decay / 2) (||H_1|| ||W_1|| ... ||W_L||)^(2/M),    decay the geometric mean over the factors,

which is beta^(2/M) times a constant: the loss along the scale is that of a ``Ray`` whose pattern has the product of the
Frobenius norms at beta = 1 for its only singular value.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.linalg import hadamard

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.ufm.network import Factors
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Block, Ray
from deepcollapse.ufm.structures.families import incidence_matrix, paired_trial, triangular
from deepcollapse.ufm.structures.pattern import Pattern

__all__ = ["ReluNetwork", "pairs_width", "relu_networks", "relu_pairs", "relu_triangular"]

Core = tuple[Float[np.ndarray, "w K"], Float[np.ndarray, "w w"], Float[np.ndarray, "K w"]]


@dataclass(frozen=True, slots=True)
class ReluNetwork:
    """A ReLU network with logits beta X for a fixed pattern X, at its best scale and with equalised factors.

    Attributes:
        name: "relu-pairs" or "relu-T5".
        problem: the model.
        scale: beta.
        loss: its regularised loss.
        rank: of the logits.
        singular_values: the non-zero ones of the K x N logits, non-increasing.
        hidden_width: width it needs.
        core: makes features (one column per class), hidden weight and output weight of that width, at beta = 1.
    """

    name: str
    problem: Problem
    scale: float
    loss: float
    rank: int
    singular_values: Float[np.ndarray, " r"]
    hidden_width: int
    core: Callable[[], Core] = field(repr=False)

    @property
    def factors(self) -> Factors:
        """H_1, W_1, ..., W_L at the width of the problem, all decay_l ||A_l||^2 equal; built on each call."""
        features, hidden, output = self.core()
        stack = [np.repeat(features, self.problem.class_samples, axis=1)]
        stack += [hidden] * (self.problem.layers - 1) + [output]
        return self._padded(self._equalised(stack))

    def _equalised(self, stack: list[np.ndarray]) -> list[np.ndarray]:
        costs = np.array(self.problem.factor_decays) * [np.square(factor).sum() for factor in stack]
        shared = self.scale**self.problem.penalty_power * math.exp(np.log(costs).mean())
        return [factor * math.sqrt(shared / cost) for factor, cost in zip(stack, costs, strict=True)]

    def _padded(self, stack: list[np.ndarray]) -> Factors:
        d, extra = self.problem.d, self.problem.d - self.hidden_width
        first, *middle, last = stack
        rows = np.pad(first, ((0, extra), (0, 0)))
        return (rows, *(np.pad(w, (0, extra)) for w in middle), np.pad(last, ((0, 0), (0, d - last.shape[1]))))


def relu_networks(problem: Problem) -> tuple[ReluNetwork, ...]:
    """The explicit networks that exist for this problem's classes, width and decay, by increasing loss."""
    found = []
    for make in (relu_pairs, relu_triangular):
        try:
            found.append(make(problem))
        except (InvalidInputError, UndefinedError):
            continue
    return tuple(sorted(found, key=lambda network: network.loss))


def relu_pairs(problem: Problem) -> ReluNetwork:
    """Pairs of opposite classes from complementary binary features.

    Let c_1, ..., c_m, m = ceil(K/2), be rows of a Sylvester-Hadamard matrix of order D = 2^k >= m + 1 other than
    the constant row. Class (p, +-) has the feature (1 +- c_p) / 2 >= 0, every hidden weight is the orthogonal
    projector onto span{1, c_1, ..., c_m} (rank m + 1), and the output row of class (p, +-) is +-c_p. The logits are
    D/2 times the paired pattern, for odd K without the last class's partner. At unit gap ||H_1||^2 ||W_L||^2 =
    2 K^2 n, so the cost is

        (M decay / 2) (2 K^2 (m + 1)^(L-1) beta^2 n)^(1/M).

    The network beats linear collapse at equal scale, at every decay, if (2 K^2 (m + 1)^(L-1))^(1/M) < K - 1. The
    paper's inequality for ReLU is the same with 2 K^2 replaced by 4 K^2 m / (m + 1), hence narrower. Derived.

    Raises:
        InvalidInputError: the problem is not ReLU with equally many samples per class, or the width is below D.
        UndefinedError: no stationary scale at this decay.

    >>> problem = Problem(classes=10, layers=5, activation="relu")
    >>> round(relu_pairs(problem).loss, 9)
    0.049348870
    """
    k, pairs = problem.classes, (problem.classes + 1) // 2
    order = pairs_width(k)
    _expect_model(problem, order, name="relu-pairs")

    def core() -> Core:
        codes = hadamard(order)[: pairs + 1].astype(float)
        signed = np.repeat(codes[1:], 2, axis=0)[:k] * np.where(np.arange(k) % 2 == 0, 1.0, -1.0)[:, None]
        return (1.0 + signed.T) / order, codes.T @ codes / order, signed

    norms = math.sqrt(2.0 * k**2 * problem.class_samples[0] * (pairs + 1.0) ** (problem.layers - 1))
    pattern = paired_trial(problem)
    return _at_best_scale(pattern, problem, name="relu-pairs", norms=norms, hidden_width=order, core=core)


def pairs_width(classes: int) -> int:
    """Width of the pairs network: the least power of two above ceil(K/2). At most K unless K + 1 is a power of two.

    >>> pairs_width(10), pairs_width(15), pairs_width(16)
    (8, 16, 16)
    """
    return 1 << ((classes + 1) // 2).bit_length()


def relu_triangular(problem: Problem) -> ReluNetwork:
    """T_m: the classes are the pairs of m points, the features their incidence vectors.

    H_1 = A, hidden weights I_m, W_L = A^T - (2/m) 1 1^T with A the m x K incidence matrix of the pairs: width m, logits
    A^T A - (4/m) 1 1^T. At unit gap ||H_1||^2 = 2 K n, ||W_l||^2 = m, ||W_L||^2 = 2 K (m - 2) / m.

    Raises:
        InvalidInputError: the problem is not ReLU with equally many samples per class, K is not m (m - 1) / 2, or the
            width is below m.
        UndefinedError: no stationary scale at this decay.

    Source: derived (the strongly regular graph solution of Sukenik et al., arXiv 2405.14468, is of this kind).

    >>> round(relu_triangular(Problem(classes=10, layers=3, activation="relu")).loss, 7)
    0.050385
    """
    k, pattern = problem.classes, triangular(problem)
    points = round((1 + math.sqrt(1 + 8 * k)) / 2)
    _expect_model(problem, points, name=f"relu-T{points}")

    def core() -> Core:
        incidence = incidence_matrix(points)
        return incidence, np.eye(points), incidence.T - 2.0 / points

    squares = 4.0 * k**2 * problem.class_samples[0] * (points - 2) / points
    norms = math.sqrt(squares * float(points) ** (problem.layers - 1))
    name = f"relu-{pattern.name}"
    return _at_best_scale(pattern, problem, name=name, norms=norms, hidden_width=points, core=core)


def _at_best_scale(
    pattern: Pattern, problem: Problem, *, name: str, norms: float, hidden_width: int, core: Callable[[], Core]
) -> ReluNetwork:
    block = pattern.blocks[0]
    ray = Ray(Block(block.columns, np.array([norms]), np.ones(1)), problem)
    try:
        scale = ray.minimum()
    except UndefinedError as error:
        raise UndefinedError(f"{name}: {error}") from None
    values = np.repeat(scale * block.values, block.multiplicities.astype(int))
    return ReluNetwork(
        name=name,
        problem=problem,
        scale=scale,
        loss=ray.loss(scale),
        rank=block.rank,
        singular_values=np.sort(values)[::-1],
        hidden_width=hidden_width,
        core=core,
    )


def _expect_model(problem: Problem, hidden_width: int, *, name: str) -> None:
    if problem.activation != "relu" or not problem.balanced:
        raise InvalidInputError(
            f"{name}: expected a ReLU problem with equally many samples per class, but found activation "
            f"{problem.activation!r} and samples {problem.samples}; change the problem"
        )
    if problem.d < hidden_width:
        raise InvalidInputError(f"width: expected at least {hidden_width} for {name}, but found {problem.d}; widen")
