"""Which rule turns gradients into steps: plain gradient descent, heavy-ball momentum, Adam."""

import math
from dataclasses import dataclass

from deepcollapse.errors import InvalidInputError

__all__ = ["Adam", "GradientDescent", "Momentum", "Optimiser", "expect_gradient_descent", "optimiser_named"]

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

    It need not stay at rest. Where gradients vanish the step is divided by little more than epsilon, and lr is stable
    only up to ``largest_lr``, about 38 epsilon / curvature: with the usual 1e-8 never. The squares of early gradients
    keep the steps small for some 1 / (1 - beta2) steps; meanwhile the gradient falls below any tolerance, which is
    where a run stops. If it went on, the gradient would return in bursts, of about 0.2 lr for lr <= 0.01 and far larger
    ones at 0.1 (measured, K = 3 and 4). With epsilon large enough it rests, and is near the end momentum with the
    learning rate (1 - beta1) lr / epsilon.

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
        """(1 / lr + 1 / (1 - beta2)) / 5 + epsilon / (lr decay).

        A step moves an entry by about lr, however small its gradient, as long as that is above epsilon, and squares are
        remembered for 1 / (1 - beta2) steps; both count for a fifth, by which the slowest of the runs measured needed a
        sixth of 200 times the sum. Below epsilon an entry shrinks as under gradient descent with lr / epsilon.
        """
        return 0.2 * (1.0 / lr + 1.0 / (1.0 - self.beta2)) + self.epsilon / (lr * decay)

    def largest_lr(self, curvature: float) -> float:
        """2 (1 + beta1) / (1 - beta1) epsilon / curvature: stable for gradients as small as they may be."""
        return 2.0 * (1.0 + self.beta1) / (1.0 - self.beta1) * self.epsilon / curvature


Optimiser = GradientDescent | Momentum | Adam


def optimiser_named(name: str, *, beta: float | None = None) -> Optimiser:
    """The optimiser of a short name: "gd", "momentum" (``beta`` None is its default) or "adam".

    Raises:
        InvalidInputError: another name, or a beta that is out of range or given to another optimiser.

    >>> optimiser_named("momentum", beta=0.5).beta
    0.5
    """
    if name == "momentum":
        return Momentum() if beta is None else Momentum(beta=beta)
    if beta is not None:
        raise InvalidInputError(f"beta: expected none for {name}, but found {beta:g}; it belongs to momentum")
    if name not in ("gd", "adam"):
        raise InvalidInputError(f"optimiser: expected gd, momentum or adam, but found {name!r}; choose one of these")
    return Adam() if name == "adam" else GradientDescent()


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
