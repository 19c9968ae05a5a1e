"""A structure: a named pattern of class logits, its scales solved for a problem."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from deepcollapse.errors import UndefinedError
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Block, Ray

__all__ = ["Pattern", "Structure", "diagonally_superior", "solve", "zero"]

Scales = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A family member before its scales are known.

    Attributes:
        name: "simplex", "paired", "partition-2-2-6", "T5", "circle", ...
        blocks: one per free scale; they do not interact.
        matrix: scales -> class logits, K x K.
        critical: whether the stationary scales make it a critical point of F, or only a trial point (upper bound).
    """

    name: str
    blocks: tuple[Block, ...]
    matrix: Callable[[Scales], Float[np.ndarray, "K K"]] = field(repr=False)
    critical: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """A pattern at its best scales for one problem.

    Attributes:
        name: as in ``Pattern``.
        scales: one per block.
        loss: F at these logits.
        rank: of the logits.
        singular_values: the non-zero ones of the K x N logits, non-increasing.
        critical: critical point of F, or only a trial point.
        matrix: scales -> class logits.
        origin: (decay, rank) of the atlas entry that a point without a name was carried from; None for named ones.
    """

    name: str
    scales: Scales
    loss: float
    rank: int
    singular_values: Float[np.ndarray, " r"]
    critical: bool
    matrix: Callable[[Scales], Float[np.ndarray, "K K"]] = field(repr=False)
    origin: tuple[float, int] | None = None

    @property
    def logits(self) -> Float[np.ndarray, "K K"]:
        """Class logits, K x K; built on each call."""
        return self.matrix(self.scales)


def solve(pattern: Pattern, problem: Problem) -> Structure:
    """The pattern at the scales that minimise F along it.

    Raises:
        UndefinedError: at this decay a block of the pattern has no stationary scale.
    """
    rays = [Ray(block, problem) for block in pattern.blocks]
    try:
        scales = tuple(ray.minimum() for ray in rays)
    except UndefinedError as error:
        raise UndefinedError(f"{pattern.name}: {error}") from None
    values = [
        np.repeat(scale * block.values, block.multiplicities.astype(int))
        for scale, block in zip(scales, pattern.blocks, strict=True)
    ]
    return Structure(
        name=pattern.name,
        scales=scales,
        loss=sum(ray.loss(scale) for ray, scale in zip(rays, scales, strict=True)),
        rank=sum(block.rank for block in pattern.blocks),
        singular_values=np.sort(np.concatenate(values))[::-1],
        critical=pattern.critical,
        matrix=pattern.matrix,
    )


def zero(problem: Problem) -> Structure:
    """Z = 0, critical at every decay: loss log K ("ce") or 1/2 ("mse")."""
    k = problem.classes
    return Structure(
        name="zero",
        scales=(),
        loss=float(np.log(k)) if problem.loss == "ce" else 0.5,
        rank=0,
        singular_values=np.zeros(0),
        critical=True,
        matrix=lambda _: np.zeros((k, k)),
    )


def diagonally_superior(logits: Float[np.ndarray, "*batch K K"]) -> Bool[np.ndarray, "*batch"]:
    """Whether in every column the diagonal entry is strictly the largest (every class is classified correctly).

    Source: arXiv 2410.23169, Definition of diagonal superiority. The least rank is 1 for K = 2 and 2 for K >= 3.

    >>> bool(diagonally_superior(np.eye(3)))
    True
    """
    size = logits.shape[-1]
    diagonal = np.diagonal(logits, axis1=-2, axis2=-1)
    others = np.where(np.eye(size, dtype=bool), -np.inf, logits).max(axis=-2)
    return np.asarray((diagonal > others).all(axis=-1))
