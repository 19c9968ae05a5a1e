"""Neural collapse through depth: its metrics at the input of every layer of the head."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import UndefinedError
from deepcollapse.metrics import between_class, equiangularity, equinorm, nc1, nc3, variability_quotient
from deepcollapse.stats import ClassMoments, class_moments
from deepcollapse.ufm import Factors, Problem
from deepcollapse.ufm.network import hidden_inputs

__all__ = ["LayerCollapse", "collapse_through_depth"]


@dataclass(frozen=True, slots=True)
class LayerCollapse:
    """Metrics of what enters one layer of the head; None where a metric has no value.

    Attributes:
        layer: 1 .. L; what enters layer 1 are the features.
        rank: directions of the class means that NC1 counts, at 1e-3 of the largest; 0 if the class means are equal.
        nc1: tr(Sigma_W Sigma_B^+), not divided by K. At the features it can be large although the logits have
            collapsed: directions that the head ignores count as much as those it reads.
        quotient: tr(Sigma_W) / tr(Sigma_B).
        equinorm: coefficient of variation of the centred class means' norms.
        equiangularity: mean |cos + 1/(K-1)| of the centred class means.
        nc3: distance of the classifier that follows from the centred class means, at equal norm. In a linear head that
            classifier is the product W_L ... W_l; a ReLU head has one only at its last layer.
    """

    layer: int
    rank: int
    nc1: float | None
    quotient: float | None
    equinorm: float | None
    equiangularity: float | None
    nc3: float | None

    def as_json(self) -> dict[str, int | float | None]:
        """The attributes by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def collapse_through_depth(factors: Factors, problem: Problem) -> tuple[LayerCollapse, ...]:
    """NC1 to NC3 at the input of W_1, ..., W_L.

    Equal class means (a network at Z = 0) leave all metrics undefined there: None, with rank 0.

    Args:
        factors: H_1, W_1, ..., W_L of a network (``Network.factors``) or of a feature model.
        problem: their sizes and activation.

    Raises:
        InvalidInputError: features that are not finite.
    """
    inputs = hidden_inputs(factors, problem)[:-1]
    return tuple(
        _of_layer(
            layer,
            class_moments(hidden.T, problem.labels, classes=problem.classes),
            following=_classifier(factors, problem, layer),
        )
        for layer, hidden in enumerate(inputs, start=1)
    )


def _classifier(factors: Factors, problem: Problem, layer: int) -> Float[np.ndarray, "K d"] | None:
    if problem.activation == "relu" and layer < problem.layers:
        return None
    return reduce(lambda after, weight: after @ weight, reversed(factors[layer:]))


def _of_layer(layer: int, moments: ClassMoments, *, following: Float[np.ndarray, "K d"] | None) -> LayerCollapse:
    try:
        means = moments.centred_means()
    except UndefinedError:
        return LayerCollapse(layer, rank=0, nc1=None, quotient=None, equinorm=None, equiangularity=None, nc3=None)
    return LayerCollapse(
        layer,
        rank=between_class(moments).rank,
        nc1=nc1(moments),
        quotient=variability_quotient(moments),
        equinorm=equinorm(means),
        equiangularity=equiangularity(means) if means.any(axis=1).all() else None,
        nc3=nc3(following, means) if following is not None and following.any() else None,
    )
