"""The global minimum of the one-layer model for classes of any sizes, with a certificate."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import entr

from deepcollapse.errors import TooLargeError, UndefinedError
from deepcollapse.linalg.smoothed_nuclear import SmoothedNuclear, curvature, slope, value
from deepcollapse.ufm.class_groups import ClassGroups, Softmax
from deepcollapse.ufm.problem import Problem

__all__ = ["OneLayerMinimum", "minority_collapse_decay", "one_layer_minimum"]

_MOST_SIZES = 256  # distinct ones; a Newton step solves for their square
_LAST = 1e-14  # smoothing at which the path ends, in units of a large singular value
_SHRINK = 0.1
_CENTRED, _SOLVED = 0.1, 1e-9  # Newton decrements: on the path, and at its end
_CLOSE, _FAR = 0.25, 1e3  # decrements: below, full steps converge quadratically; above, they are tried first
_NOISE = 1e-14
_STEPS = 60


@dataclass(frozen=True, slots=True)
class OneLayerMinimum:
    """Z*, the unique minimiser of mean loss + decay ||Zbar D||_* over class logits Zbar, D = diag(sqrt n_c).

    Attributes:
        groups: the classes by size; the minimiser treats classes of one size alike.
        spread: a_g, the coefficient of the centred projection of each group; 0 where its classes coincide.
        block: the coordinates of the part that is constant on groups, see ``ClassGroups``.
        loss: F of the one-layer model at Z*.
        lower_bound: of F over all logits, from a feasible point of the dual problem.
    """

    groups: ClassGroups
    spread: Float[np.ndarray, " G"]
    block: Float[np.ndarray, "h G"]
    loss: float
    lower_bound: float

    @property
    def gap(self) -> float:
        """Loss - lower_bound, at least the distance of the loss from the least one."""
        return self.loss - self.lower_bound

    @property
    def logits(self) -> Float[np.ndarray, "K K"]:
        """Zbar, K x K, built on each call."""
        return self.groups.matrix(self.spread, self.block)


def one_layer_minimum(problem: Problem) -> OneLayerMinimum:
    """The minimiser Z* of cross-entropy with one weight matrix at the problem's samples and decay.

    The problem is convex and its solution unique, hence unchanged by permutations of classes of one size: G distinct
    sizes leave G^2 unknowns whatever K is. The nuclear norm is smoothed and the smoothing mu reduced tenfold at a time,
    each minimiser found by Newton's method with conjugate gradients. Classes of size m coincide exactly where the decay
    is at least sqrt(m) / N (``minority_collapse_decay``), so their spread is 0 there. Milliseconds for two sizes.

    The bound: probabilities P with ||(I - P) diag(w_c / sqrt n_c)|| <= decay, w_c = n_c / N, give F >= sum_c w_c H(p_c)
    by Fenchel duality. P is the softmax at Z*, moved towards I by the rounding that the norm exceeds the decay by.

    Args:
        problem: cross-entropy, its layers are not used; equal samples are allowed and give alpha (I - 1 1^T / K).

    Raises:
        UndefinedError: from the decay ||S D|| / N on, S = I - 1 1^T / K, the minimiser is 0 and has no frame.
        TooLargeError: more than 256 distinct sizes.

    Source: arXiv 2410.23169, Appendix A (the object); the method and the bound are derived.

    >>> found = one_layer_minimum(Problem(classes=4, layers=2, samples=(10, 10, 2, 2)))
    >>> found.gap < 1e-12, found.spread.round(4).tolist()
    (True, [5.1846, 6.5717])
    """
    return _minimum(problem.class_samples, problem.mean_decay)


def minority_collapse_decay(problem: Problem, *, samples: int) -> float:
    """sqrt(m) / N: classes with m samples each, two of them or more, coincide in Z* iff the decay is at least this.

    Along the spread e of these classes, all else fixed, the data term's slope at e = 0 is -(k - 1) m / N whatever the
    rest is, and the penalty's is decay (k - 1) sqrt(m); F is convex. From there on the rank is lower by k - 1. It is a
    statement about the one-layer minimiser, not about deeper ones. Source: derived; compare arXiv 2309.09725.

    Raises:
        UndefinedError: fewer than two classes have that many samples.

    >>> round(minority_collapse_decay(Problem(classes=4, layers=1, samples=(10, 10, 2, 2)), samples=2), 7)
    0.0589256
    """
    if (count := problem.class_samples.count(samples)) < 2:
        raise UndefinedError(
            f"samples: expected a number that two classes or more have, but found {samples}, which {count} has; "
            f"choose one of {sorted({n for n in problem.class_samples if problem.class_samples.count(n) > 1})}"
        )
    return float(np.sqrt(samples) / problem.total_samples)


@lru_cache(maxsize=128)
def _minimum(samples: tuple[int, ...], decay: float) -> OneLayerMinimum:
    groups = ClassGroups.of(Problem(classes=len(samples), layers=1, samples=samples, decay=decay))
    if groups.sizes.size > _MOST_SIZES:
        raise TooLargeError(
            f"samples: expected at most {_MOST_SIZES} distinct numbers per class, but found {groups.sizes.size}; "
            "round them"
        )
    if decay >= groups.zero_decay:
        raise UndefinedError(
            f"one-layer minimum: expected a decay below {groups.zero_decay:.9g}, but found {decay:.9g}; at this decay "
            "it is Z = 0, which has no frame: lower the decay"
        )
    return _certified(groups, _followed(groups, decay), decay)


def _certified(groups: ClassGroups, point: Float[np.ndarray, " p"], decay: float) -> OneLayerMinimum:
    """The minimum without the singular values that smoothing left, and the dual value at its softmax."""
    path = _Path(groups, decay, mu=1.0)
    spread, block = path.split(point)
    left, values, right = np.linalg.svd(block, full_matrices=False)
    values = np.where(values > 1e-9 * max(values.max(initial=0.0), spread.max()), values, 0.0)
    block = (left * values) @ right
    found = groups.softmax(spread, block)
    penalty = decay * (groups.multiplicities @ (spread * np.sqrt(groups.sizes)) + values.sum())
    return OneLayerMinimum(
        groups=groups,
        spread=spread,
        block=block,
        loss=float(groups.shares @ found.losses + penalty),
        lower_bound=_dual(groups, found, decay),
    )


def _dual(groups: ClassGroups, found: Softmax, decay: float) -> float:
    """sum_c w_c H(p_c) at P = I + t (softmax - I), the largest t <= 1 at which it is feasible."""
    spread, block = groups.pulled(found.others * groups.shares, -found.others.sum(axis=0) * groups.shares)
    alone = np.abs(spread[groups.counts > 1] / (groups.multiplicities * np.sqrt(groups.sizes))[groups.counts > 1])
    size = max(alone.max(initial=0.0), np.linalg.norm(block, ord=2) if block.size else 0.0)
    share = min(1.0, decay / size)
    numbers = groups.counts[:, None] - np.eye(groups.counts.size)
    each = share * np.divide(found.others, numbers, out=np.zeros_like(found.others), where=numbers > 0)
    wrong = np.minimum(share * found.others.sum(axis=0), 1.0)
    right = np.where(wrong < 0.5, -(1.0 - wrong) * np.log1p(-np.minimum(wrong, 0.5)), entr(1.0 - wrong))
    return float(groups.shares @ ((numbers * entr(each)).sum(axis=0) + right))


def _followed(groups: ClassGroups, decay: float) -> Float[np.ndarray, " p"]:
    """The coordinates at the end of the path of smoothed minimisers."""
    scale = 3.0 * np.sqrt(groups.sizes[-1])
    path = _Path(groups, decay, mu=scale)
    point = path.start()
    while path.mu > _LAST * scale:
        path = _Path(groups, decay, mu=path.mu * _SHRINK)
        point = path.centred(point, tolerance=_CENTRED)
    return path.centred(point, tolerance=_SOLVED)


@dataclass(frozen=True, slots=True)
class _Path:
    """(mean loss) / decay + the smoothed nuclear norm; coordinates are the spreads that are not zero and the block."""

    groups: ClassGroups
    decay: float
    mu: float

    @property
    def active(self) -> np.ndarray:
        """Groups whose classes do not coincide."""
        return (self.groups.counts > 1) & (self.decay < np.sqrt(self.groups.sizes) / self.groups.total)

    def start(self) -> Float[np.ndarray, " p"]:
        """Logits S diag(alpha_c) with the scales that classes of that size would have alone."""
        roots = np.sqrt(self.groups.sizes)
        scales = np.log(np.maximum(roots / (self.groups.total * self.decay), 1.0))
        return self.joined(scales, self.groups.basis.T * (scales * roots))

    def joined(self, spread: Float[np.ndarray, " G"], block: Float[np.ndarray, "h G"]) -> Float[np.ndarray, " p"]:
        return np.concatenate([spread[self.active], block.ravel()])

    def split(self, point: Float[np.ndarray, " p"]) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "h G"]]:
        spread = np.zeros(self.groups.counts.size)
        alone = int(self.active.sum())
        spread[self.active] = point[:alone]
        return spread, point[alone:].reshape(-1, self.groups.counts.size)

    def objective(self, point: Float[np.ndarray, " p"]) -> float:
        spread, block = self.split(point)
        data = self.groups.shares @ self.groups.softmax(spread, block).losses / self.decay
        alone = self.groups.multiplicities @ value(spread * np.sqrt(self.groups.sizes), self.mu)
        return float(data + alone + SmoothedNuclear.at(block, self.mu).value)

    def centred(self, point: Float[np.ndarray, " p"], *, tolerance: float) -> Float[np.ndarray, " p"]:
        """Newton's method until the decrement is below the tolerance, or rounding keeps it from falling.

        Over mu the smoothed norm is self-concordant, so its decrement is measured in that unit.
        """
        last = np.inf
        for _ in range(_STEPS):
            step, squared = _newton(self, point)
            decrement = np.sqrt(max(squared, 0.0) / self.mu)
            if decrement <= tolerance or (last < _CLOSE and decrement >= 0.5 * last):
                break
            point = point + self._length(point, step, decrement) * step
            last = decrement
        return point

    def _length(self, point: Float[np.ndarray, " p"], step: Float[np.ndarray, " p"], decrement: float) -> float:
        """Full steps nearby, else those of self-concordant functions, shortened where the objective does not fall."""
        if decrement < _CLOSE:
            return 1.0
        length = 1.0 / (1.0 + decrement) if decrement < _FAR else 1.0
        here = self.objective(point)
        while self.objective(point + length * step) > here + _NOISE * abs(here) and length > 1e-9:
            length *= 0.5
        return length


def _newton(path: _Path, point: Float[np.ndarray, " p"]) -> tuple[Float[np.ndarray, " p"], float]:
    """Newton's step at a point and the squared decrement; preconditioned by the penalty plus a mean curvature."""
    groups, (spread, block) = path.groups, path.split(point)
    found, norm = groups.softmax(spread, block), SmoothedNuclear.at(block, path.mu)
    roots, weights = np.sqrt(groups.sizes), groups.shares / path.decay
    slopes = groups.pulled(found.others * weights, -found.others.sum(axis=0) * weights)
    alone = groups.multiplicities * roots * slope(spread * roots, path.mu)
    gradient = path.joined(slopes[0] + alone, slopes[1] + norm.gradient)
    bend = groups.multiplicities * groups.sizes * curvature(spread * roots, path.mu)
    certain = found.own * found.others.sum(axis=0)
    shift = float(np.mean(certain)) / (groups.total * path.decay)

    def hessian(direction: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        one, two = path.split(direction)
        others, own = groups.columns(one, two)
        mean = (found.others * (others - own)).sum(axis=0)  # of the direction, over its value at the right class
        data = groups.pulled(found.others * (others - own - mean) * weights, -found.own * mean * weights)
        return path.joined(data[0] + bend * one, data[1] + norm.hessian(two))

    def preconditioner(direction: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        one, two = path.split(direction)
        return path.joined(one / (bend + certain * weights + 1e-300), norm.inverse(two, shift=shift))

    shape = (point.size, point.size)
    step, _ = cg(
        LinearOperator(shape, matvec=hessian, dtype=float),  # type: ignore[call-arg]
        -gradient,
        rtol=1e-10 if point.size < 100 else 1e-4,
        maxiter=2 * point.size + 50 if point.size < 500 else 500,
        M=LinearOperator(shape, matvec=preconditioner, dtype=float),  # type: ignore[call-arg]
    )
    return step, float(-gradient @ step)
