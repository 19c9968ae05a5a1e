"""Numerical rank of a set of singular values."""

import numpy as np
from jaxtyping import Float

__all__ = ["numerical_rank"]


def numerical_rank(singular_values: Float[np.ndarray, " r"], *, rtol: float = 1e-10) -> int:
    """Number of singular values above ``rtol`` times the largest; 0 for the zero matrix.

    Args:
        singular_values: non-negative, in any order.
        rtol: relative tolerance; the default is far above float64 rounding and far below any singular value that a
            stationary point of the model keeps.

    >>> numerical_rank(np.array([3.0, 1.0, 1e-14]))
    2
    """
    largest = singular_values.max(initial=0.0)
    return int((singular_values > rtol * largest).sum()) if largest > 0 else 0
