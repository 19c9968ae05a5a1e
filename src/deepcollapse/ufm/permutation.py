"""Class permutations: match two logit matrices up to renaming classes, and count a matrix's symmetries.

Entries are first replaced by colours (values closer than a tolerance share one), then classes are matched one by one,
each time the class with the fewest candidates left, with backtracking.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from deepcollapse.errors import InvalidInputError

__all__ = ["aligned", "automorphisms"]


def aligned(
    logits: Float[np.ndarray, "_ _"], target: Float[np.ndarray, "_ _"], *, rtol: float = 1e-6
) -> Int[np.ndarray, " K"] | None:
    """The class permutation p with logits[p, p] equal to the target (both K x K), or None.

    Entries count as equal within ``rtol`` times the largest absolute entry of the target. Usually O(K^3).

    >>> pairs = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])
    >>> mixed = pairs[np.ix_([0, 2, 1, 3], [0, 2, 1, 3])]
    >>> p = aligned(mixed, pairs)
    >>> bool((mixed[np.ix_(p, p)] == pairs).all())
    True
    """
    _expect_same_square(logits, target)
    tolerance = rtol * np.abs(target).max()
    if np.abs(np.sort(logits, axis=None) - np.sort(target, axis=None)).max() > tolerance:
        return None
    colours = _coloured(np.stack([logits, target]), tolerance)
    found = _search(colours, _candidates(colours))
    return None if found is None else np.array(found)


def automorphisms(logits: Float[np.ndarray, "K K"], *, rtol: float = 1e-6) -> int:
    """Number of class permutations p with logits[p, p] equal to the logits (K! for the simplex).

    By orbits and stabilisers: the product over classes of the number of places each can go while the earlier ones stay.

    >>> automorphisms(np.kron(np.eye(5), [[1.0, -1.0], [-1.0, 1.0]]))
    3840
    """
    _expect_same_square(logits, logits)
    colours = _coloured(np.stack([logits, logits]), rtol * np.abs(logits).max())
    candidates = _candidates(colours)
    order = 1
    for base in range(len(logits)):
        places = map(int, np.flatnonzero(candidates[base]))
        order *= sum(_search(colours, _placed(colours, candidates, (base, i))) is not None for i in places)
        candidates = _placed(colours, candidates, (base, base))
    return order


def _coloured(matrices: Float[np.ndarray, "*m K K"], tolerance: float) -> Int[np.ndarray, "*m K K"]:
    values = np.sort(matrices, axis=None)
    starts = values[np.concatenate([[True], np.diff(values) > tolerance])]
    return np.searchsorted(starts, matrices, side="right")


def _candidates(colours: Int[np.ndarray, "2 K K"]) -> Bool[np.ndarray, "K K"]:
    """Entry (j, i): class i of the first matrix may stand for class j of the second, judged by its row and column."""
    marks = [np.column_stack([np.diag(m), np.sort(m, axis=1), np.sort(m, axis=0).T]) for m in colours]
    return (marks[1][:, None, :] == marks[0][None, :, :]).all(axis=-1)


def _placed(
    colours: Int[np.ndarray, "2 K K"], candidates: Bool[np.ndarray, "K K"], choice: tuple[int, int]
) -> Bool[np.ndarray, "K K"]:
    """Candidates left once class ``choice[1]`` of the first matrix stands for class ``choice[0]`` of the second."""
    source, target = colours
    place, chosen = choice
    left = candidates & (source[chosen][None, :] == target[place][:, None])
    left &= source[:, chosen][None, :] == target[:, place][:, None]
    left[:, chosen] = False
    left[place] = False
    left[place, chosen] = candidates[place, chosen]
    return left


def _search(
    colours: Int[np.ndarray, "2 K K"], candidates: Bool[np.ndarray, "K K"], placed: frozenset[int] = frozenset()
) -> list[int] | None:
    """For each class of the second matrix one of the first, all different, with all colours equal; or None."""
    choices = candidates.sum(axis=1)
    if choices.min() == 0:
        return None
    open_places = [place for place in range(len(candidates)) if place not in placed]
    if not open_places:
        return [int(i) for i in candidates.argmax(axis=1)]
    place = min(open_places, key=lambda j: choices[j])
    for chosen in map(int, np.flatnonzero(candidates[place])):
        found = _search(colours, _placed(colours, candidates, (place, chosen)), placed | {place})
        if found is not None:
            return found
    return None


def _expect_same_square(logits: np.ndarray, target: np.ndarray) -> None:
    if logits.shape != target.shape or logits.shape[0] != logits.shape[1]:
        raise InvalidInputError(
            f"logits: expected two square matrices of one size, but found {logits.shape} and {target.shape}; "
            "use class-mean logits"
        )
