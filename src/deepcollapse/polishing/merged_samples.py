"""The feature model on fewer columns: samples that share their features share a column.

Factors are in balanced coordinates, sqrt(decay_l / decay) A_l with decay the geometric mean: the logits are the same,
linear or ReLU, and every factor has one and the same decay.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import softmax

from deepcollapse.curvature.hessian import HessianOperator, LossCurvature, linearised
from deepcollapse.ufm import Factors, Problem, loss_gradient, mean_loss
from deepcollapse.ufm.network import hidden_inputs

__all__ = ["Frames", "MergedSamples", "compressed", "merged_samples", "single_samples"]

Frames = tuple[Float[np.ndarray, "d r"], ...]
"""Orthonormal columns, one frame per hidden space: that of the features first."""

_WAY = 17  # points on a straight way
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class MergedSamples:
    """F where c_p samples of one class have the features x_p / sqrt(c_p), x_p the column p of the first factor.

    Heads are positively homogeneous, so the logits of these samples are those of x_p over sqrt(c_p), and
    (decay / 2) ||x_p||^2 is what their features cost together.

    Attributes:
        problem: the model.
        column: of each sample.
        labels: class of each column.
        counts: c_p.
    """

    problem: Problem
    column: Int[np.ndarray, " N"]
    labels: Int[np.ndarray, " P"]
    counts: Float[np.ndarray, " P"]

    def value_and_gradient(self, factors: Factors) -> tuple[float, Factors]:
        """F and its gradient in every factor (relu'(0) = 0), in one forward and one backward pass."""
        point, decay = self.hessian(factors), self.problem.mean_decay
        shares = self.counts / self.problem.total_samples
        data = mean_loss(point.inputs[-1] / np.sqrt(self.counts), self.labels, shares, kind=self.problem.loss)
        slopes = (point.errors[0], *(e @ x.T for e, x in zip(point.errors[1:], point.inputs[:-1], strict=True)))
        value = float(data) + 0.5 * decay * sum(float(np.square(factor).sum()) for factor in factors)
        return value, tuple(slope + decay * factor for slope, factor in zip(slopes, factors, strict=True))

    def column_costs(self, factors: Factors) -> Float[np.ndarray, " P"]:
        """What each column adds to F, while the weights rest."""
        logits = hidden_inputs(factors, self.problem)[-1] / np.sqrt(self.counts)
        shares = self.counts / self.problem.total_samples
        own_first = (self.labels + np.arange(len(logits))[:, None]) % len(logits)
        rolled = np.take_along_axis(logits, own_first, axis=0).T[:, :, None]
        alone = mean_loss(rolled, np.zeros(1, dtype=int), np.ones(1), kind=self.problem.loss)
        return alone * shares + 0.5 * self.problem.mean_decay * np.square(factors[0]).sum(axis=0)

    def hessian(self, factors: Factors) -> HessianOperator:
        """Of F, as a linear map."""
        inputs = tuple(hidden_inputs(factors, self.problem))
        error, curvature = self.curved(inputs[-1])
        problem = self.problem.replace(decay=self.problem.mean_decay)
        return linearised(factors, inputs, error=error, curvature=curvature, problem=problem)

    def curved(self, output: Float[np.ndarray, "K P"]) -> tuple[Float[np.ndarray, "K P"], LossCurvature]:
        """First and second derivative of the data term in what the head makes of the columns."""
        root, total = np.sqrt(self.counts), self.problem.total_samples
        logits = output / root
        error = loss_gradient(logits, self.labels, root / total, kind=self.problem.loss)
        probability = softmax(logits, axis=0) if self.problem.loss == "ce" else None
        return error, LossCurvature(np.full(self.counts.size, 1.0 / total), probability)

    def unmerged(self, factors: Factors) -> Factors:
        """H_1 with a column per sample and W_1, ..., W_L, in the problem's own coordinates."""
        decay = self.problem.mean_decay
        rest = (np.sqrt(decay / own) * a for own, a in zip(self.problem.factor_decays, factors, strict=True))
        first, *weights = rest
        return ((first / np.sqrt(self.counts))[:, self.column], *weights)


def single_samples(factors: Factors, problem: Problem) -> tuple[MergedSamples, Factors]:
    """Every sample in a column of its own."""
    total, decay = problem.total_samples, problem.mean_decay
    model = MergedSamples(problem, np.arange(total), problem.labels, np.ones(total))
    scaled = zip(problem.factor_decays, factors, strict=True)
    return model, tuple(np.sqrt(own / decay) * factor for own, factor in scaled)


def merged_samples(model: MergedSamples, factors: Factors) -> tuple[MergedSamples, Factors]:
    """Columns of one class that switch on the same hidden units join at the mean of their features.

    Where the same units are on, a convex set of features, the head is linear and F convex in the features of one
    sample. On the straight way of a group to its mean F is convex too, and has slope 0 at the end, where all samples
    of the group have one gradient and their deviations add up to 0: so F never rises on the way. Without hidden ReLUs
    the groups are the classes, and the class-mean logits stay as they are.

    With hidden ReLUs a whole class joins as well where its part of F does not rise between any two of 17 points on the
    straight way to its mean; classes do not interact while the weights rest.
    """
    joined, met = _joined(model, factors, _groups(model, factors))
    if model.problem.activation == "linear":
        return joined, met
    whole = _falling_classes(joined, met)
    groups = np.where(whole[joined.labels], joined.labels, model.problem.classes + np.arange(joined.labels.size))
    return _joined(joined, met, np.unique(groups, return_inverse=True)[1])


def _joined(model: MergedSamples, factors: Factors, groups: Int[np.ndarray, " P"]) -> tuple[MergedSamples, Factors]:
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    counts = np.add.reduceat(model.counts[order], starts)
    features = np.add.reduceat((factors[0] * np.sqrt(model.counts))[:, order], starts, axis=1) / np.sqrt(counts)
    joined = MergedSamples(model.problem, groups[model.column], model.labels[order[starts]], counts)
    return joined, (features, *factors[1:])


def _falling_classes(model: MergedSamples, factors: Factors) -> Bool[np.ndarray, " K"]:
    """For which classes F falls on the way of all their columns to their mean."""
    classes, root = model.problem.classes, np.sqrt(model.counts)
    sums = np.zeros((len(factors[0]), classes))
    np.add.at(sums.T, model.labels, (factors[0] * root).T)
    means = (sums / np.bincount(model.labels, model.counts, minlength=classes))[:, model.labels] * root
    costs = []
    for share in np.linspace(0.0, 1.0, _WAY):
        features = (1.0 - share) * factors[0] + share * means
        costs.append(np.bincount(model.labels, model.column_costs((features, *factors[1:])), minlength=classes))
    return (np.diff(costs, axis=0) <= _ROUNDING * np.abs(costs[0])).all(axis=0)


def compressed(factors: Factors) -> tuple[Factors, Frames]:
    """Linear factors at width r = min(d, P), B_l = Q_{l+1}^T A_l Q_l, and the frames Q.

    Q_0 spans the features, Q_l what W_l makes of Q_{l-1}. What W_l does to vectors outside Q_{l-1} touches no logit
    and only costs decay: taking it away along a straight line lowers F all the way. What is left is closed under
    gradients, because dF/dA_l then maps Q_{l-1} into Q_l as well, so that a critical point here is one at width d.
    """
    frame, core = np.linalg.qr(factors[0])
    frames, small = [frame], [core]
    for weight in factors[1:-1]:
        frame, core = np.linalg.qr(weight @ frames[-1])
        frames.append(frame)
        small.append(core)
    return (*small, factors[-1] @ frames[-1]), tuple(frames)


def _groups(model: MergedSamples, factors: Factors) -> Int[np.ndarray, " P"]:
    """A number for each column, the same for columns that may join, 0 to the number of groups - 1."""
    if model.problem.activation == "linear":
        return model.labels
    on = [np.packbits(hidden > 0, axis=0) for hidden in hidden_inputs(factors, model.problem)[1:-1]]
    keys = np.concatenate([model.labels[None].astype(np.int64).view(np.uint8).reshape(-1, 8).T, *on])
    return np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1)
