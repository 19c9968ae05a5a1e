"""Where ReLU models stand at the end, against the loss of linear collapse; many still move there, at kinks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcollapse.reproduce.claims.ends import quoted
from deepcollapse.simulate import Rate, rate

__all__ = ["ReluEnds", "relu_ends"]

_MOST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReluEnds:
    """The runs of one initial scale.

    Attributes:
        scale: s, of the starts.
        below: share below the linear DNC loss, of all runs. A run that still moves is counted by where it stands: below
            once it is, because descent goes on from there; above, it is no evidence that it stays.
        high: runs below whose rank is not below K - 1.
        high_settled: of these, the converged ones.
        moving: runs that had not converged at the horizon.
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
    def converged(self) -> int:
        """Runs that came to rest."""
        return sum(self.ranks.values()) - self.moving

    @property
    def shows(self) -> bool:
        """Whether significantly more than half of the runs are below."""
        return self.below.interval is not None and self.below.interval[0] > _MOST

    @property
    def open(self) -> bool:
        """Whether most of the runs above still moved, so that they decide nothing."""
        return self.moving_above > (self.below.total - self.below.count) / 2

    @property
    def sentence(self) -> str:
        """In words."""
        return f"scale {self.scale:g}: {quoted(self.below)}"

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        names = ("high", "high_settled", "moving", "moving_above", "median_loss", "ranks", "dnc_loss")
        below = {"count": self.below.count, "rate": self.below.value, "interval": self.below.interval}
        return {"init_scale": self.scale, "runs": self.below.total, "below": below} | {
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
    moving = [row for row in ended if row["status"] != "converged"]
    ranks = [row["rank"] for row in ended]
    return ReluEnds(
        scale=scale,
        below=rate(len(below), len(rows)),
        high=len(high),
        high_settled=sum(row["status"] == "converged" for row in high),
        moving=len(moving),
        moving_above=sum(row["loss"] >= bound for row in moving),
        median_loss=ended[len(ended) // 2]["loss"] if ended else None,
        ranks={rank: ranks.count(rank) for rank in sorted(set(ranks))},
        dnc_loss=bound,
    )
