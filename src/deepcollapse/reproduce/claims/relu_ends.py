"""Where ReLU models stand at the end, against the loss of linear collapse; many still move there, at kinks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcollapse.reproduce.claims.ends import quoted
from deepcollapse.simulate import DECIDED, Rate, rate

__all__ = ["ReluEnds", "relu_ends"]

_MOST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReluEnds:
    """The runs of one initial scale.

    Attributes:
        scale: s, of the starts.
        below: share below the linear DNC loss, of all runs. A run that still moves counts once it is below, because
            descent goes on from there; above, it is undecided, as is a run that diverged.
        high: runs below whose rank is not below K - 1.
        high_settled: of these, the decided ones.
        moving: runs that were undecided at the horizon.
        moving_above: of these, the ones above the bound.
        median_loss: of all runs that did not diverge; None if all did.
        ranks: of the same runs.
        dnc_loss: the bound.
    """

    scale: float
    below: Rate
    high: int
    high_settled: int
    moving: int
    moving_above: int
    median_loss: float | None
    ranks: Mapping[int, int]
    dnc_loss: float

    @property
    def decided(self) -> int:
        """Runs that came to rest."""
        return sum(self.ranks.values()) - self.moving

    @property
    def shows(self) -> bool:
        """Whether significantly more than half of the runs are below."""
        return self.below.interval is not None and self.below.interval[0] > _MOST

    @property
    def open(self) -> bool:
        """Whether the undecided runs could show it, if all of them went below."""
        interval = rate(self.below.count + self.below.undecided, self.below.runs).interval
        return not self.shows and interval is not None and interval[0] > _MOST

    @property
    def sentence(self) -> str:
        """In words."""
        return f"scale {self.scale:g}: {quoted(self.below)}"

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        names = ("high", "high_settled", "moving", "moving_above", "median_loss", "ranks", "dnc_loss")
        return {"init_scale": self.scale, "runs": self.below.runs, "below": self.below.as_json()} | {
            name: getattr(self, name) for name in names
        }


def relu_ends(rows: Sequence[Mapping[str, Any]]) -> list[ReluEnds]:
    """By initial scale, the least first; rows are one per seed."""
    scales = sorted({row["init_scale"] for row in rows})
    return [_ends(scale, [row for row in rows if row["init_scale"] == scale]) for scale in scales]


def _ends(scale: float, rows: Sequence[Mapping[str, Any]]) -> ReluEnds:
    bound = rows[0]["dnc_loss"]
    ended = sorted((row for row in rows if row["loss"] is not None), key=lambda row: row["loss"])
    below = [row for row in ended if row["loss"] < bound]
    high = [row for row in below if row["rank"] >= row["classes"] - 1]
    moving = [row for row in ended if row["status"] not in DECIDED]
    moving_above = sum(row["loss"] >= bound for row in moving)
    ranks = [row["rank"] for row in ended]
    return ReluEnds(
        scale=scale,
        below=rate(len(below), len(rows), undecided=moving_above + len(rows) - len(ended)),
        high=len(high),
        high_settled=sum(row["status"] in DECIDED for row in high),
        moving=len(moving),
        moving_above=moving_above,
        median_loss=ended[len(ended) // 2]["loss"] if ended else None,
        ranks={rank: ranks.count(rank) for rank in sorted(set(ranks))},
        dnc_loss=bound,
    )
