"""The regularised loss of a network with a deep head, and a batch's share of it."""

import torch
from jaxtyping import Float, Int
from torch.nn.functional import cross_entropy

from deepcollapse.networks.decay import UfmDecay
from deepcollapse.networks.head import DeepHead

__all__ = ["UfmDecay", "objective", "piece_objective"]


def objective(
    features: Float[torch.Tensor, "N d"],
    labels: Int[torch.Tensor, " N"],
    head: DeepHead,
    *,
    decay: UfmDecay,
) -> Float[torch.Tensor, ""]:
    """Mean cross-entropy + (lambda_W / 2) sum_l ||W_l||^2 + (lambda_H / 2) ||H_1||^2.

    The features' norm is summed over the samples, not averaged, so that it is the feature model's
    F(H_1, W_1, ..., W_L) at the network's own features, and no network is below min F. Only lambda_H n matters when the
    samples per class n change.

    Source: arXiv 2410.23169, experiments on real networks.
    """
    weights = sum((weight.square().sum() for weight in head.weights), start=features.new_zeros(()))
    penalty = 0.5 * decay.weights * weights + 0.5 * decay.features * features.square().sum()
    return cross_entropy(head(features), labels) + penalty


def piece_objective(
    features: Float[torch.Tensor, "p d"],
    labels: Int[torch.Tensor, " p"],
    head: DeepHead,
    *,
    decay: float,
    share: float,
    scale: float = 1.0,
) -> tuple[Float[torch.Tensor, ""], Float[torch.Tensor, ""]]:
    """What p of a batch's B samples add to the batch's objective, and the cross-entropy in it; no decay of weights.

    share (mean cross-entropy of the piece) + scale (lambda_H / 2) ||H_piece||^2 with share p / B and scale N / B.
    Summed over the pieces of a batch it is the mean cross-entropy of the batch plus N / B times its features penalty;
    the mean of that over equally large batches that make up the N samples is the objective of all of them, exactly.
    A batch of all samples has scale 1.

    Args:
        features: of the piece.
        labels: of the piece.
        head: the deep head.
        decay: lambda_H.
        share: p / B.
        scale: N / B.
    """
    data = share * cross_entropy(head(features), labels)
    return data + 0.5 * decay * scale * features.square().sum() if decay else data, data.detach()
