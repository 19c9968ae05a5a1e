"""One vector per class as the metrics take them in: a finite matrix in float64, its directions and its pairs."""

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError

__all__ = ["above_diagonal", "class_vectors", "direction_squares", "directions", "pair_squares", "unit_scaled"]

_LARGEST_EXPONENT = 1023  # of a power of two in float64
_NEAR = 1e-4  # squared distances below this share of the squared lengths are computed from differences


def class_vectors(name: str, given: Shaped[np.ndarray, "..."], *, least: int = 2) -> Float[np.ndarray, "K d"]:
    """The matrix in float64.

    Raises:
        InvalidInputError: not a matrix of numbers, fewer than ``least`` rows, or an entry that is not finite.
    """
    if given.ndim != 2 or len(given) < least or given.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"{name}: expected a matrix of numbers with at least {least} rows, one per class, but found "
            f"{given.dtype} of shape {given.shape}; stack the vectors"
        )
    matrix = np.asarray(given, dtype=np.float64)
    finite = np.isfinite(matrix)
    if not finite.all():
        bad = np.argwhere(~finite)
        row, column = map(int, bad[0])
        raise InvalidInputError(
            f"{name}: expected finite entries, but found {len(bad)} that are not, the first at {(row, column)}; "
            "remove NaN and infinities"
        )
    return matrix


def unit_scaled(matrix: Float[np.ndarray, "K d"], *, by_row: bool = False) -> Float[np.ndarray, "K d"]:
    """The matrix, or each of its rows, divided by the power of two that brings its largest entry into [1/2, 1).

    Exact, so that squares neither overflow nor vanish and nothing is rounded. Zeros stay zeros; the largest of
    subnormal numbers gets to 2^-51 at least, for no power of two is large enough.
    """
    sizes = np.abs(matrix).max(axis=1, keepdims=True, initial=0.0) if by_row else np.abs(matrix).max(initial=0.0)
    return matrix * np.ldexp(1.0, np.minimum(-np.frexp(sizes)[1], _LARGEST_EXPONENT))


def directions(name: str, vectors: Float[np.ndarray, "K d"]) -> Float[np.ndarray, "K d"]:
    """Rows divided by their lengths.

    Raises:
        UndefinedError: a row is zero; the message names all such rows.
    """
    zeros = np.flatnonzero(~vectors.any(axis=1))
    if zeros.size:
        raise UndefinedError(
            f"{name}: expected none to be zero, but found {zeros.tolist()} of {len(vectors)}; a zero vector has no "
            "angle, leave these classes out"
        )
    scaled = unit_scaled(vectors, by_row=True)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def pair_squares(vectors: Float[np.ndarray, "K d"]) -> Float[np.ndarray, " pairs"]:
    """||v_k - v_l||^2 for k < l in the order of ``np.triu_indices``, without loss for near pairs or under an offset.

    One K x K product of the vectors minus their mean; pairs much nearer to each other than to the mean would lose
    digits in it and are computed from their differences instead. O(K^2 d) operations, O(K^2 + K d) memory.
    """
    centred = vectors - vectors[0]
    centred -= centred.mean(axis=0)
    lengths = np.square(centred).sum(axis=1)
    sums = lengths[:, None] + lengths
    squares = sums - 2.0 * (centred @ centred.T)
    near = squares < _NEAR * sums
    np.fill_diagonal(near, False)
    for k in np.flatnonzero(near.any(axis=1)):
        squares[k, near[k]] = np.square(vectors[near[k]] - vectors[k]).sum(axis=1)
    return above_diagonal(squares)


def direction_squares(vectors: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, " pairs"]:
    """``pair_squares`` of the directions of vectors of any length.

    Raises:
        InvalidInputError: as ``class_vectors``.
        UndefinedError: a vector is zero.
    """
    return pair_squares(directions("vectors", class_vectors("vectors", vectors)))


def above_diagonal(matrix: Shaped[np.ndarray, "K K"]) -> Shaped[np.ndarray, " pairs"]:
    """Entries (k, l) with k < l in the order of ``np.triu_indices``, which is several times slower."""
    return matrix[~np.tri(len(matrix), dtype=bool)]
