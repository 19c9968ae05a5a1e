"""How runs ended, counted: what the figures of sweeps draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Rate, rate

__all__ = ["Curve", "Ends", "counted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Independent runs of one setting, counted by how they ended.

    Attributes:
        collapsed: decided runs (converged, settled or at zero) that are at deep neural collapse.
        ranks: decided runs by rank of their logits.
        not_converged: runs undecided at the horizon; of these nothing else is counted.
        diverged: runs whose loss blew up.
    """

    collapsed: int
    ranks: Mapping[int, int]
    not_converged: int = 0
    diverged: int = 0

    @property
    def decided(self) -> int:
        """Runs whose end is known."""
        return sum(self.ranks.values())

    @property
    def total(self) -> int:
        """All runs."""
        return self.decided + self.not_converged + self.diverged

    @property
    def rate(self) -> Rate:
        """Share of collapse among all runs, with its 95% Wilson interval; without a value while runs are undecided.

        >>> Ends(collapsed=8, ranks={5: 2, 9: 8}).rate.value
        0.8
        """
        return rate(self.collapsed, self.total, undecided=self.total - self.decided)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How runs end along one axis, everything else equal.

    Attributes:
        label: what tells this curve from the others; empty if it is the only one.
        x: width, decay, ..., increasing.
        ends: one per x.
        places: x of each endpoint whose loss is given.
        relative_losses: loss of each decided endpoint over that of deep neural collapse at its x.
        known: x and the loss of the best structure known over that of collapse, two rows.
        without_bound: decided endpoints that have no relative loss, because collapse does not exist at their x.
    """

    label: str
    x: Float[np.ndarray, " n"]
    ends: Sequence[Ends]
    places: Float[np.ndarray, " r"] = field(default_factory=lambda: np.zeros(0))
    relative_losses: Float[np.ndarray, " r"] = field(default_factory=lambda: np.zeros(0))
    known: Float[np.ndarray, "2 m"] = field(default_factory=lambda: np.zeros((2, 0)))
    without_bound: int = 0

    def __post_init__(self) -> None:
        if len(self.x) != len(self.ends) or not len(self.x):
            raise InvalidInputError(
                f"curve: expected as many counts as places, at least one, but found {len(self.ends)} and "
                f"{len(self.x)}; give one Ends per x"
            )
        if (np.diff(self.x) <= 0).any():
            raise InvalidInputError(f"curve: expected increasing places, but found {self.x.tolist()}; sort and merge")


def counted(curves: Sequence[Curve]) -> str:
    """How many runs a figure shows and how many of them ended, as a sentence.

    >>> counted([Curve(label="", x=np.ones(1), ends=[Ends(collapsed=1, ranks={9: 1}, not_converged=2)])])
    '3 runs: 1 decided, 2 undecided.'
    """
    ends = [end for curve in curves for end in curve.ends]
    parts = [f"{sum(end.decided for end in ends):,} decided"]
    if slow := sum(end.not_converged for end in ends):
        parts.append(f"{slow:,} undecided")
    if lost := sum(end.diverged for end in ends):
        parts.append(f"{lost:,} diverged")
    return f"{sum(end.total for end in ends):,} runs: {', '.join(parts)}."
