"""Lower bounds of the regularised loss over all logits with a given quadratic form, from points of a dual problem.

With p = 2/M, mu = decay n^(1/M) and a positive definite N on centred vectors, Hoelder's inequality for Schatten norms
and that of the means give sum_i s_i(Z)^p <= p ||N^(p-1) Z||_* + (1 - p) tr N^p, with equality at N = (Z Z^T)^(1/2).
Hence, with Q = N^(2(1-p)),

    min_Z F(Z) = inf_Q D(Q) + mu (M-2)/2 tr Q^(1/(L-1)),    D(Q) = min_Z g(Z) + mu ||Q^(-1/2) Z||_*.

By duality D(Q) is the largest mean entropy of K columns of probabilities P with ||Q^(1/2) (I - P)|| <= K mu, so every
such P proves a bound. D falls with Q and the trace rises with it, so for all Q between Q_low and Q_high the sum is at
least D(Q_high) plus the trace at Q_low.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from flint import arb, arb_mat, ctx  # type: ignore[import-untyped]
from jaxtyping import Float
from scipy.optimize import minimize

from deepcollapse.theory.weight_box import WeightBox, laplacian, pairs

__all__ = ["BoxBound", "EntropyBound"]

BITS = 80
"""Working precision of the enclosures."""

_DIGITS = 5  # of the probabilities that a bound is proven with
_FLAT = 1e-3  # least eigenvalue of a form that is inverted, relative to the largest


@dataclass(frozen=True, slots=True)
class BoxBound:
    """A bound in floating point, and what it takes to prove it.

    Attributes:
        value: of the regularised loss for all Q of the box, as floating point has it.
        wrong: off-diagonal probabilities, row by row, in short decimals; None where the box holds no form.
        start: where the solver stopped, to begin with in a part of the box.
    """

    value: float
    wrong: tuple[float, ...] | None
    start: Float[np.ndarray, " x"] | None


@dataclass(frozen=True, slots=True)
class EntropyBound:
    """Bounds for one model.

    Attributes:
        classes: K.
        layers: L >= 2.
        decays: of the M factors.
        samples: n per class.
    """

    classes: int
    layers: int
    decays: tuple[float, ...]
    samples: int

    @property
    def mu(self) -> float:
        """(n prod_l decay_l)^(1/M), rounded."""
        return math.exp((math.log(self.samples) + sum(map(math.log, self.decays))) / (self.layers + 1))

    @property
    def power(self) -> float:
        """1 / (L - 1), the power of the eigenvalues of Q in the trace."""
        return 1.0 / (self.layers - 1)

    def radius(self, loss: float) -> float:
        """Weights of this size and more cost at least this loss: |w_ij| = |Q_ij| <= tr Q / 2."""
        cost = self.mu * (self.layers - 1) / 2
        return 0.5 * (loss / cost) ** (1 / self.power) * (1 + 1e-9)

    def outside(self, radius: float) -> float:
        """Proven bound for all Q with a weight of at least this size."""
        with ctx.workprec(BITS):
            return _below(self._cost() * (2 * arb(radius)).root(self.layers - 1))

    def bound(self, box: WeightBox, start: Float[np.ndarray, " x"] | None = None) -> BoxBound:
        """The bound of a box in floating point."""
        high = laplacian(box.high)
        frame = _frame(self.classes)
        values, vectors = np.linalg.eigh(frame.T @ high @ frame)
        if box.unordered or values[0] < -1e-9 * max(1.0, values[-1]):
            return BoxBound(math.inf, None, None)
        root = frame @ (vectors * np.sqrt(np.maximum(values, 1e-12)))
        right, start = self._probabilities(root, start)
        wrong = right - np.diag(np.diag(right))
        entropy = _entropy(self._feasible(right, root))
        least = np.maximum(np.linalg.eigvalsh(frame.T @ laplacian(box.low) @ frame), 0.0)
        value = entropy + self.mu * (self.layers - 1) / 2 * float((least**self.power).sum())
        short = tuple(float(f"{x:.{_DIGITS}g}") for x in wrong[~np.eye(self.classes, dtype=bool)])
        return BoxBound(value, short, start)

    def proven(self, box: WeightBox, wrong: tuple[float, ...] | None) -> float:
        """The bound of a box in interval arithmetic; infinite where it is proven to hold no Q that is needed.

        Args:
            box: the box.
            wrong: the probabilities of a ``BoxBound``, any numbers >= 0 whose columns add up to at most one.
        """
        with ctx.workprec(BITS):
            if wrong is None:
                return math.inf if _holds_no_form(box) else -math.inf
            error = self._errors(wrong)
            limit = self.classes * self._mu()
            size = _largest(error, _enclosed(box.high, self.classes))
            share = arb(1) if size <= limit**2 else (limit / size.sqrt()).lower()
            chances = [[(i == j) - share * entry for j, entry in enumerate(row)] for i, row in enumerate(error)]
            if not all(chance >= 0 for row in chances for chance in row):
                return -math.inf
            parts = (-chance * chance.log() for row in chances for chance in row if chance > 0)
            entropy = sum(parts, arb(0)) / self.classes
            return _below(entropy + self._cost() * self._trace(box))

    def axis(self, box: WeightBox) -> int:
        """Where halving helps most: the axis along which the trace changes most in the box."""
        frame = _frame(self.classes)
        values, vectors = np.linalg.eigh(frame.T @ laplacian(box.high) @ frame)
        slopes = np.maximum(values, _FLAT * values[-1]) ** (self.power - 1)
        slope = frame @ ((vectors * slopes) @ vectors.T) @ frame.T
        gains = [slope[i, i] + slope[j, j] - 2 * slope[i, j] for i, j in pairs(self.classes)]
        return int(np.argmax((box.high - box.low) * gains))

    def _probabilities(
        self, root: Float[np.ndarray, "K k"], start: Float[np.ndarray, " x"] | None
    ) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, " x"]]:
        """The softmax of the minimiser of g(root Y) + mu ||Y||_*, over Y = U V with (mu/2)(||U||^2 + ||V||^2)."""
        classes, rank = root.shape
        identity = np.eye(classes)

        def value(x: np.ndarray) -> tuple[float, np.ndarray]:
            left, right = x[: rank * rank].reshape(rank, rank), x[rank * rank :].reshape(rank, classes)
            chances, loss = _softmax(root @ (left @ right))
            slope = root.T @ ((chances - identity) / classes)
            gradient = np.concatenate([(slope @ right.T).ravel(), (left.T @ slope).ravel()])
            return loss + 0.5 * self.mu * float(x @ x), gradient + self.mu * x

        if start is None:
            start = np.concatenate([np.eye(rank).ravel(), _frame(classes).T.ravel()])
        found = minimize(
            value, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-10, "gtol": 1e-7}
        )
        left, right = found.x[: rank * rank].reshape(rank, rank), found.x[rank * rank :].reshape(rank, classes)
        return _softmax(root @ (left @ right))[0], found.x

    def _feasible(self, right: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Columns moved towards the labels until they obey the constraint."""
        error = np.eye(self.classes) - right
        size = float(np.linalg.norm(root.T @ error, 2))
        return np.eye(self.classes) - min(1.0, self.classes * self.mu / size) * error if size else right

    def _mu(self) -> arb:
        product = arb(self.samples)
        for decay in self.decays:
            product *= arb(decay)
        return product.root(self.layers + 1)

    def _cost(self) -> arb:
        return self._mu() * (self.layers - 1) / 2

    def _errors(self, wrong: tuple[float, ...]) -> list[list[arb]]:
        """I - P, with columns that add up to zero."""
        off = iter(wrong)
        rows = [[arb(0) if i == j else -arb(next(off)) for j in range(self.classes)] for i in range(self.classes)]
        for j in range(self.classes):
            rows[j][j] = -sum((row[j] for row in rows), arb(0))
        return rows

    def _trace(self, box: WeightBox) -> arb:
        """Positive eigenvalues of the lower corner, bounded below, to the power 1 / (L - 1)."""
        if self.layers == 2:
            total = 2 * sum((arb(w) for w in box.low), arb(0))
            return total.max(arb(0))
        return sum((value.root(self.layers - 1) for value in _eigenvalues_above(box.low) if value > 0), arb(0))


def _enclosed(weights: Float[np.ndarray, " m"], classes: int) -> list[list[arb]]:
    """Q of exact weights in interval arithmetic."""
    rows = [[arb(0)] * classes for _ in range(classes)]
    for (i, j), weight in zip(pairs(classes), weights, strict=True):
        rows[i][j] = rows[j][i] = -arb(float(weight))
    for i in range(classes):
        rows[i][i] = -sum((entry for j, entry in enumerate(rows[i]) if j != i), arb(0))
    return rows


@lru_cache(maxsize=32)
def _frame(classes: int) -> Float[np.ndarray, "K k"]:
    """Orthonormal columns that span the centred vectors."""
    return np.linalg.svd(np.eye(classes) - 1 / classes)[0][:, : classes - 1]


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, float]:
    """Probabilities of the columns, and the mean cross-entropy with labels on the diagonal."""
    logits = logits - logits.max(axis=0)
    powers = np.exp(logits)
    sums = powers.sum(axis=0)
    return powers / sums, float(np.mean(np.log(sums) - np.diag(logits)))


def _entropy(chances: np.ndarray) -> float:
    positive = np.maximum(chances, 1e-300)
    return -float((positive * np.log(positive)).sum() / chances.shape[1])


def _largest(error: list[list[arb]], form: list[list[arb]]) -> arb:
    """Upper bound of the largest eigenvalue of (I - P)^T Q (I - P)."""
    gram = arb_mat(error).transpose() * arb_mat(form) * arb_mat(error)
    middle = np.array([[float(entry) for entry in row] for row in gram.table()])
    size = max(float(np.linalg.norm(middle)), 1e-100)
    guesses = [max(0.0, float(np.linalg.eigvalsh(middle)[-1])) + slack * size for slack in (1e-12, 1e-8, 1e-4, 2.0)]
    unit = arb_mat(np.eye(len(middle)).tolist())
    return arb(next((guess for guess in guesses if _positive(unit * arb(guess) - gram)), math.inf))


def _eigenvalues_above(weights: Float[np.ndarray, " m"]) -> list[arb]:
    """Lower bounds of the eigenvalues of Q on centred vectors, in the same order; zero for those not positive.

    Q >= V diag(values) V^T on centred vectors, in the Loewner order, is proven. There V acts as its centred part C V,
    orthonormal up to rounding, and by Ostrowski's theorem that changes an eigenvalue by a factor of at least
    1 - ||V^T C V - I||.
    """
    form = laplacian(weights)
    frame = _frame(len(form))
    values, turn = np.linalg.eigh(frame.T @ form @ frame)
    vectors = frame @ turn
    least = values - 1e-12 * np.abs(values).max()
    exact = arb_mat(vectors.tolist())
    below = exact * arb_mat(np.diag(least).tolist()) * exact.transpose()
    ones = arb_mat(np.ones_like(form).tolist())  # where both forms vanish
    if not _positive(arb_mat(_enclosed(weights, len(form))) + ones - below):
        return []
    centred = arb_mat(np.eye(len(form)).tolist()) - ones / len(form)
    error = exact.transpose() * centred * exact - arb_mat(np.eye(len(least)).tolist())
    factor = 1 - sum((entry**2 for row in error.table() for entry in row), arb(0)).sqrt()
    return [factor * arb(float(value)) for value in least if value > 0]


def _positive(matrix: arb_mat) -> bool:
    """Whether a symmetric matrix is proven to be positive definite, by elimination."""
    rows = matrix.table()
    while rows:
        (pivot, *row), *rest = rows
        if not pivot > 0:
            return False
        rows = [
            [entry - column[0] * above / pivot for entry, above in zip(column[1:], row, strict=True)] for column in rest
        ]
    return True


def _holds_no_form(box: WeightBox) -> bool:
    """Whether no positive semidefinite Q of the box has its diagonal in falling order."""
    classes = (1 + math.isqrt(1 + 8 * len(box.low))) // 2
    least, most = _enclosed(box.low, classes), _enclosed(box.high, classes)
    if any(most[i][i] < least[i + 1][i + 1] for i in range(classes - 1)):
        return True
    values, vectors = np.linalg.eigh(laplacian(box.high))
    vector = arb_mat([[arb(float(entry))] for entry in vectors[:, np.argmin(values)]])
    return bool((vector.transpose() * arb_mat(most) * vector)[0, 0] < 0)


def _below(value: arb) -> float:
    return math.nextafter(float(value.lower()), -math.inf)
