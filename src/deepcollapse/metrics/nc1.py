"""NC1: variability within classes against variability between them."""

from typing import Literal

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics.between import BetweenClass, between_class
from deepcollapse.stats import Centre, ClassMoments

__all__ = ["nc1"]


def nc1(
    moments: ClassMoments,
    *,
    convention: Literal["papyan", "zhu"] = "papyan",
    rtol: float = 1e-3,
    centre: Centre = "class",
    between: BetweenClass | None = None,
) -> float:
    """Within-class over between-class variability, tr(Sigma_W Sigma_B^+).

    Sigma_W = scatter / N, Sigma_B = (1/K) sum_k (mu_k - mu)(mu_k - mu)^T, and Sigma_B^+ its pseudo-inverse on the
    directions v_j that ``between_class`` counts, with variances sigma_j^2: sum_j v_j^T Sigma_W v_j / sigma_j^2. Zero
    exactly when nothing varies within classes along these directions. Invariant under shifts, rotations and scaling of
    the features; it jumps when the rank does, because a direction just counted divides by a small variance. O(r d^2).

    Args:
        moments: of the features of one layer.
        convention: "papyan" is the trace itself; "zhu" divides it by K.
        rtol: see ``between_class``; its ``rank`` and ``tolerance`` say what was counted.
        centre: mean of the class means, or of the samples.
        between: what ``between_class`` made of the same moments, to spare its singular value decomposition; then
            ``rtol`` and ``centre`` say nothing more.

    Raises:
        InvalidInputError: a class without samples, or an unknown convention.
        UndefinedError: all class means are equal, no class has two samples, or the moments hold traces only.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 6; divided by K in Zhu et al. 2021 (arXiv 2105.02375).

    >>> import numpy as np
    >>> from deepcollapse.stats import class_moments
    >>> features, labels = np.array([[-3.0], [-1.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> nc1(class_moments(features, labels, classes=2))
    0.25
    """
    if convention not in ("papyan", "zhu"):
        raise InvalidInputError(
            f'convention: expected "papyan" or "zhu", but found {convention!r}; choose one of the two'
        )
    if moments.scatter is None:
        raise UndefinedError(
            "nc1: expected moments with the scatter matrix, but found traces only; take them with scatter=True, or "
            "variability_quotient, which needs traces"
        )
    between = between or between_class(moments, rtol=rtol, centre=centre)
    moments.expect_spread()
    inside = ((between.directions @ moments.within) * between.directions).sum(axis=1)
    trace = float((inside / between.variances).sum())
    return trace if convention == "papyan" else trace / moments.classes
