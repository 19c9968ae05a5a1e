"""How the learning rate changes over a run: pure functions of the step.

Each has ``share(step, horizon)``: the share of the full learning rate for the update that follows ``step`` updates, in
a run of ``horizon`` updates at most. Its ``kind`` names it in a specification.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from deepcollapse.errors import InvalidInputError

__all__ = ["Constant", "Cosine", "Schedule", "Steps", "WarmUp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The full rate throughout.

    >>> Constant().share(7, 10)
    1.0
    """

    kind: Literal["constant"] = "constant"

    def share(self, step: int, horizon: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine:
    """floor + (1 - floor) (1 + cos(pi step / horizon)) / 2.

    Source: Loshchilov & Hutter, arXiv 1608.03983, equation 5, without restarts.

    >>> [round(Cosine(floor=0.1).share(step, 10), 3) for step in (0, 5, 10)]
    [1.0, 0.55, 0.1]
    """

    floor: float = 0.0
    kind: Literal["cosine"] = "cosine"

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise InvalidInputError(f"floor: expected a share from 0 to 1, but found {self.floor}; 0 ends at rest")

    def share(self, step: int, horizon: int) -> float:
        """From 1 to ``floor``, where it stays."""
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + math.cos(math.pi * min(step / horizon, 1.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The rate is multiplied by ``factor`` at every milestone.

    Attributes:
        at: milestones, increasing, in updates.
        factor: above 0, at most 1.

    >>> [round(Steps(at=(5, 8), factor=0.1).share(step, 10), 6) for step in (4, 5, 8)]
    [1.0, 0.1, 0.01]
    """

    at: tuple[int, ...]
    factor: float = 0.1
    kind: Literal["steps"] = "steps"

    def __post_init__(self) -> None:
        if not self.at or self.at[0] < 1 or any(b <= a for a, b in zip(self.at, self.at[1:], strict=False)):
            raise InvalidInputError(f"at: expected increasing updates >= 1, but found {self.at}; sort them")
        if not 0 < self.factor <= 1:
            raise InvalidInputError(f"factor: expected 0 < factor <= 1, but found {self.factor}; 0.1 is usual")

    def share(self, step: int, horizon: int) -> float:
        """The factor to the power of the milestones reached."""
        return self.factor ** sum(step >= milestone for milestone in self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """A linear rise over the first ``steps`` updates, (step + 1) / steps, and another schedule behind it.

    The other schedule counts from the end of the rise, over the rest of the horizon.

    Source: gradual warm-up of Goyal et al., arXiv 1706.02677, Section 2.2.

    >>> [WarmUp(steps=4).share(step, 10) for step in (0, 1, 3, 4)]
    [0.25, 0.5, 1.0, 1.0]
    """

    steps: int
    then: Constant | Cosine | Steps = field(default_factory=Constant)
    kind: Literal["warm-up"] = "warm-up"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InvalidInputError(f"steps: expected at least 1, but found {self.steps}; leave the warm-up out")

    def share(self, step: int, horizon: int) -> float:
        """Of the rise, then of the other schedule."""
        if step < self.steps:
            return (step + 1) / self.steps
        return self.then.share(step - self.steps, max(horizon - self.steps, 1))


Schedule = Constant | Cosine | Steps | WarmUp
