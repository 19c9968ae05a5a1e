"""Which rule turns gradients into steps: plain gradient descent, heavy-ball momentum, Adam."""

import math
from dataclasses import dataclass

from deepcollapse.errors import InvalidInputError

__all__ = ["Adam", "GradientDescent", "Momentum", "Optimiser", "expect_gradient_descent"]

_LEAST_EPSILON = 1e-30  # what float32 holds with room to spare; at zero an entry that never moved would be 0 / 0


@dataclass(frozen=True, slots=True)
class GradientDescent:
    """A <- A - lr G, G = dF/dA with the decay's share.

    >>> GradientDescent().largest_lr(4.0)
    0.5
    """

    @property
    def name(self) -> str:
        """For the record."""
        return "gradient descent"

    def settling_steps(self, lr: float, decay: float) -> float:
        """1 / (lr decay): steps in which what only the decay pulls on shrinks to 1 / e."""
        return 1.0 / (lr * decay)

    def largest_lr(self, curvature: float) -> float:
        """2 / curvature: the largest stable learning rate on a quadratic."""
        return 2.0 / curvature


@dataclass(frozen=True, slots=True, kw_only=True)
class Momentum:
    """Heavy ball: V <- beta V + G, A <- A - lr V, from V = 0; ``torch.optim.SGD(momentum=beta)``.

    After about 1 / (1 - beta) steps it moves like plain gradient descent with the learning rate lr / (1 - beta).

    Args:
        beta: between 0 and 1.

    Raises:
        InvalidInputError: a beta outside.

    Source: Polyak, USSR Comput. Math. Math. Phys. 4 (1964); coupled decay as in torch.

    >>> Momentum(beta=0.9).largest_lr(4.0)
    0.95
    """

    beta: float = 0.9

    def __post_init__(self) -> None:
        _expect_share("beta", self.beta, remedy="0.9 is usual, and GradientDescent() has no momentum", above=0.0)

    @property
    def name(self) -> str:
        """For the record."""
        return f"momentum {self.beta:g}"

    def settling_steps(self, lr: float, decay: float) -> float:
        """(1 - beta) / (lr decay): steps in which what only the decay pulls on shrinks to 1 / e."""
        return (1.0 - self.beta) / (lr * decay)

    def largest_lr(self, curvature: float) -> float:
        """2 (1 + beta) / curvature: beyond it V and A grow with alternating sign on a quadratic."""
        return 2.0 * (1.0 + self.beta) / curvature


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Adam with the decay in the gradient (not AdamW); ``torch.optim.Adam(weight_decay=...)``.

    At step t, entry by entry: V <- beta1 V + (1 - beta1) G, S <- beta2 S + (1 - beta2) G^2, and
    A <- A - lr V / (1 - beta1^t) / (sqrt(S / (1 - beta2^t)) + epsilon).

    It need not come to rest. Where gradients vanish it divides by epsilon, so with the usual 1e-8 the step grows as the
    gradient falls until it is unstable: the gradient then stays of the order lr times the curvature, far above a usual
    tolerance. It settles where lr is below ``largest_lr``, that is for epsilon above about lr curvature / 38; near the
    end it is then momentum with the learning rate (1 - beta1) lr / epsilon.

    Args:
        beta1: of the mean of gradients, from 0 to below 1.
        beta2: of the mean of their squares, from 0 to below 1.
        epsilon: at least 1e-30.

    Raises:
        InvalidInputError: a number out of range.

    Source: Kingma & Ba, arXiv 1412.6980; the bound: Cohen et al., arXiv 2207.14484.

    >>> round(Adam(epsilon=0.1).largest_lr(4.0), 3)
    0.95
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _expect_share("beta1", self.beta1, remedy="0.9 is usual")
        _expect_share("beta2", self.beta2, remedy="0.999 is usual")
        value = self.epsilon
        if isinstance(value, bool) or not isinstance(value, int | float) or not _LEAST_EPSILON <= value < math.inf:
            raise InvalidInputError(
                f"epsilon: expected a finite number >= {_LEAST_EPSILON:g}, but found {value!r}; 1e-8 is usual, and "
                "runs that must come to rest need more"
            )

    @property
    def name(self) -> str:
        """For the record."""
        return f"Adam {self.beta1:g} {self.beta2:g} {self.epsilon:g}"

    def settling_steps(self, lr: float, decay: float) -> float:
        """1 / lr + 1 / (1 - beta2) + epsilon / (lr decay): to cross a unit, to forget, and to shrink below epsilon."""
        return 1.0 / lr + 1.0 / (1.0 - self.beta2) + self.epsilon / (lr * decay)

    def largest_lr(self, curvature: float) -> float:
        """2 (1 + beta1) / (1 - beta1) epsilon / curvature: stable for gradients as small as they may be."""
        return 2.0 * (1.0 + self.beta1) / (1.0 - self.beta1) * self.epsilon / curvature


Optimiser = GradientDescent | Momentum | Adam


def expect_gradient_descent(optimiser: Optimiser, *, of: str, remedy: str) -> None:
    """Raise InvalidInputError unless the optimiser is plain gradient descent, all that the asker ``of`` it can do."""
    if not isinstance(optimiser, GradientDescent):
        raise InvalidInputError(
            f"optimiser: expected plain gradient descent for {of}, but found {optimiser.name}; {remedy}"
        )


def _expect_share(name: str, value: object, *, remedy: str, above: float = -1.0) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 or value <= above:
        least = "above 0" if above == 0.0 else "from 0"
        raise InvalidInputError(f"{name}: expected a number {least} and below 1, but found {value!r}; {remedy}")
