"""Whether a head is wide enough to collapse at all."""

from deepcollapse.ufm import Problem

__all__ = ["collapse_rank", "too_narrow"]


def collapse_rank(problem: Problem) -> int:
    """Rank of the logits of deep neural collapse: K - 1 of the simplex, K of the squared error's orthogonal frame."""
    return problem.classes - (problem.loss == "ce")


def too_narrow(problem: Problem, *, widths: tuple[int, ...] | None = None) -> str | None:
    """Why no head of these widths has the logits of collapse, up to one shift per sample; None where one has.

    The rank of the logits is at most every width. Behind a ReLU width K - 1 is too little as well: with X >= 0 what
    enters the last layer of collapsed samples, one per class, W X = simplex + 1 c^T. If X has K - 1 rows, some v != 0
    has X v = 0, hence simplex v = -(c^T v) 1; the simplex maps to vectors that sum to 0, so simplex v = 0 and v is
    a multiple of 1. But X 1 = 0 with X >= 0 means X = 0. Derived here.

    Args:
        problem: classes, layers, loss and activation.
        widths: of the features and of each hidden layer, L numbers; None for the problem's d throughout.

    >>> too_narrow(Problem(classes=10, layers=3, width=9))
    >>> too_narrow(Problem(classes=10, layers=3, width=8))
    'width: expected features of at least 9 dimensions to hold collapsed logits, but found 8; widen the head'
    """
    features, *hidden = widths or (problem.d,) * problem.layers
    rank = collapse_rank(problem)
    behind = problem.classes if problem.activation == "relu" else rank
    for what, found, least in (("features", features, rank), ("layers", min(hidden, default=behind), behind)):
        if found < least:
            return (
                f"width: expected {what} of at least {least} dimensions to hold collapsed logits, but found {found}; "
                "widen the head"
            )
    return None
