"""How far every layer of a network is from deep neural collapse, before and after its activation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.ufm.network import Factors, hidden_inputs
from deepcollapse.ufm.problem import Problem

__all__ = ["LayerDistances", "layer_distances", "simplex_distance"]


@dataclass(frozen=True, slots=True)
class LayerDistances:
    """``simplex_distance`` of the features of every layer l = 1..L, None where a layer's features are all alike.

    At a critical point of a linear model all are those of the logits (Lemma 1). In a ReLU model logits can be a simplex
    over hidden layers that are not. That the rows of W_l lie in the span of what enters it (DNC3) follows at a critical
    point: there decay_l W_l is a gradient with these columns on its right.

    Attributes:
        before: of H_l.
        after: of what enters W_l: a(H_l), but H_1 itself for l = 1.
    """

    before: tuple[float | None, ...]
    after: tuple[float | None, ...]

    def within(self, tolerance: float) -> bool:
        """Whether all layers are collapsed to a relative tolerance."""
        return all(distance is not None and distance <= tolerance for distance in (*self.before, *self.after))


def layer_distances(factors: Factors, problem: Problem) -> LayerDistances:
    """The distance of every layer from collapse. O(L d N min(d, K)).

    Source: arXiv 2410.23169, Definitions 1 (DNC1, DNC2) and 5.

    >>> from deepcollapse.ufm import balanced_factors, collapse
    >>> problem = Problem(classes=4, layers=2, samples=2)
    >>> layer_distances(balanced_factors(collapse(problem).logits, problem), problem).within(1e-7)
    True
    """
    inputs = hidden_inputs(factors, problem)[:-1]
    outputs = [factors[0], *(weight @ x for weight, x in zip(factors[1:-1], inputs[:-1], strict=True))]
    before, after = (tuple(simplex_distance(x, problem) for x in layer) for layer in (outputs, inputs))
    return LayerDistances(before, after)


def simplex_distance(features: Float[np.ndarray, "d N"], problem: Problem) -> float | None:
    """The relative Frobenius distance of features, less their global mean, from the nearest collapsed ones.

    Collapsed features are c U S (x) 1^T with U^T U = 1 on the span of S: the same within classes, with means that form
    a simplex equiangular tight frame. The nearest are at the sine of an angle whose cosine is the nuclear norm of
    X Y^T over ||X|| ||Y||, where X is the features less their mean and Y the samples' columns of S, less their mean.
    Invariant under shifts, rotations and scale. 0 at collapse, 1 at most.

    Returns:
        None where all features are alike up to rounding.

    >>> simplex_distance(np.eye(3), Problem(classes=3, layers=1)) < 1e-7
    True
    """
    spread = features - features.mean(axis=1, keepdims=True)
    size = float(np.linalg.norm(spread))
    if size <= np.finfo(float).eps * np.sqrt(spread.size) * float(np.linalg.norm(features)):
        return None
    frame = np.eye(problem.classes)[:, problem.labels]
    frame -= frame.mean(axis=1, keepdims=True)
    fitted = float(np.linalg.svd(spread @ frame.T, compute_uv=False).sum()) / (size * float(np.linalg.norm(frame)))
    return float(np.sqrt(max(0.0, 1.0 - fitted**2)))
