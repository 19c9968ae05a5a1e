"""What a network is on all its training images, read off in float64."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import ConvergenceError
from deepcollapse.metrics.spectrum import spectrum
from deepcollapse.networks.batches import Batches, TrainingSet
from deepcollapse.networks.decay import Decay
from deepcollapse.networks.network import (
    Network,
    evaluating,
    features_in_pieces,
    head_factors,
    settling,
)
from deepcollapse.networks.trajectory import train_error
from deepcollapse.ufm import Factors, Problem, forward, gradient, read_factors

__all__ = ["Evaluation", "evaluated", "training_mode_objective"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A network's numbers on all training images.

    Attributes:
        factors: H_1, W_1, ..., W_L.
        problem: their sizes, and the decays of the head.
        objective: the regularised loss.
        train_error: share of images not classified as their class.
        logits: class means, K x K.
        largest_logit: largest distance of a logit from the mean of its sample's logits; 0 where nothing is told apart.
    """

    factors: Factors
    problem: Problem
    objective: float
    train_error: float
    logits: Float[np.ndarray, "K K"]
    largest_logit: float

    @property
    def singular_values(self) -> Float[np.ndarray, " K"]:
        """Of the class-mean logits, non-increasing."""
        return np.linalg.svd(self.logits, compute_uv=False)

    @property
    def effective_rank(self) -> float:
        """Of the class-mean logits, as in ``metrics.spectrum``; 0 for zero logits."""
        return spectrum(self.logits).effective_rank if self.logits.any() else 0.0

    @property
    def head_gradient(self) -> float:
        """||dF/d(W_1, ..., W_L)|| / (lambda ||(W_1, ..., W_L)||): 0 where the head is stationary, 1 far from the data.

        The decay alone would give 1, so the number is invariant under scaling of objective and decays together. It says
        nothing about the backbone. Infinite for a head of zeros that is not stationary.
        """
        found = gradient(self.factors, self.problem)[1:]
        size = np.sqrt(sum(np.square(g).sum() for g in found))
        pull = self.problem.factor_decays[1] * np.sqrt(sum(np.square(w).sum() for w in self.factors[1:]))
        return float(size / pull) if pull > 0 else (0.0 if size == 0 else float("inf"))


def evaluated(network: Network, data: TrainingSet, *, decay: Decay, problem: Problem) -> Evaluation:
    """The network in evaluation mode on all images, BatchNorm's statistics as they are.

    Args:
        network: backbone and head.
        data: training images, in class order.
        decay: the objective's.
        problem: sizes, as ``decay.sizes`` gives them.

    Raises:
        ConvergenceError: features or weights are not finite.
    """
    with evaluating(network):
        factors = head_factors(features_in_pieces(network, data.images), network.head)
    _expect_finite(factors)
    logits = forward(factors, problem)
    return Evaluation(
        factors=factors,
        problem=problem,
        objective=decay.total(network, factors, problem=problem),
        train_error=train_error(factors, problem),
        logits=read_factors(factors, problem).logits,
        largest_logit=float(np.abs(logits - logits.mean(axis=0)).max()),
    )


def training_mode_objective(
    network: Network, data: TrainingSet, *, decay: Decay, problem: Problem, batches: Batches
) -> float:
    """The regularised loss on all images in training mode, where BatchNorm uses the statistics of what passes with it.

    Images pass in groups of the training's own size, class by class in equal shares, not in a training batch's random
    mixture. BatchNorm then has their mean statistics (see ``settling``), with which evaluation mode is that of the
    present weights.
    """
    sizes = [size for size in (batches.size, batches.piece) if size is not None]
    with settling(network):
        features = features_in_pieces(network, data.images, piece=min(sizes, default=None))
        factors = head_factors(features, network.head)
    _expect_finite(factors)
    return decay.total(network, factors, problem=problem)


def _expect_finite(factors: Factors) -> None:
    if not all(np.isfinite(factor).all() for factor in factors):
        raise ConvergenceError(
            "training: expected a bounded objective, but found features or weights that are not finite; lower the "
            "learning rate or the head's initial scale"
        )
