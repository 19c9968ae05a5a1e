"""The deep unconstrained feature model: problem, losses, penalty, balanced factorisations, logit structures."""

from deepcollapse.ufm.balance import Reading, balanced_factors, read_factors
from deepcollapse.ufm.layers import LayerDistances, layer_distances
from deepcollapse.ufm.losses import column_hessians, loss_gradient, mean_loss
from deepcollapse.ufm.network import (
    Factors,
    factor_shapes,
    forward,
    gaussian_factors,
    gradient,
    regularised_loss,
)
from deepcollapse.ufm.objective import logits_objective, schatten_penalty, weighted_logits
from deepcollapse.ufm.one_layer import OneLayerMinimum, minority_collapse_decay, one_layer_minimum
from deepcollapse.ufm.problem import Activation, Loss, Problem
from deepcollapse.ufm.stationarity import stationarity
from deepcollapse.ufm.structures import Structure, collapse, diagonally_superior, given, structure, structures

__all__ = [
    "Activation",
    "Factors",
    "LayerDistances",
    "Loss",
    "OneLayerMinimum",
    "Problem",
    "Reading",
    "Structure",
    "balanced_factors",
    "collapse",
    "column_hessians",
    "diagonally_superior",
    "factor_shapes",
    "forward",
    "gaussian_factors",
    "given",
    "gradient",
    "layer_distances",
    "logits_objective",
    "loss_gradient",
    "mean_loss",
    "minority_collapse_decay",
    "one_layer_minimum",
    "read_factors",
    "regularised_loss",
    "schatten_penalty",
    "stationarity",
    "structure",
    "structures",
    "weighted_logits",
]
