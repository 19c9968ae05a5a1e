"""Random orthonormal frames."""

import numpy as np
from jaxtyping import Float

__all__ = ["haar_frame"]


def haar_frame(rows: int, columns: int, *, generator: np.random.Generator) -> Float[np.ndarray, "_ _"]:
    """A Haar-random matrix with orthonormal columns, or rows where there are more columns than rows.

    QR of a Gaussian matrix, with the signs that make R's diagonal positive: without them the law depends on LAPACK.

    >>> frame = haar_frame(5, 2, generator=np.random.default_rng(0))
    >>> bool(np.allclose(frame.T @ frame, np.eye(2)))
    True
    """
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    frame = q * np.sign(np.diag(r))
    return frame if rows >= columns else frame.T
