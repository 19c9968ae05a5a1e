"""Accelerated runs against full descent from the same seeds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deepcollapse.reproduce.claims.ends import quoted
from deepcollapse.simulate import Rate, rate

__all__ = ["AuditCount", "audited"]

_SAME_LOSS = 1e-4  # relative: ends of one structure agree to 1e-5 each, see the classifier of simulations
_BOUND = 0.1  # share of other verdicts on collapse from which on the shortcut is a condition

_SETTING = ("classes", "layers", "samples", "width", "decay", "activation", "lr", "init", "init_scale", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCount:
    """Seeds that were run both ways and converged both ways.

    Attributes:
        compared: how many.
        left_out: pairs of which one did not converge.
        other_end: share that ended at another point.
        other_call: share of which one run is collapse and the other is not.
    """

    compared: int
    left_out: int
    other_end: Rate
    other_call: Rate

    @property
    def condition(self) -> str | None:
        """To be stated if the shortcut may change what is claimed."""
        if not self.compared:
            return "accelerated runs, not compared with full descent"
        if self.other_call.count > _BOUND * self.compared:
            return f"accelerated runs, whose verdict on collapse differs from full descent in {quoted(self.other_call)}"
        return None

    @property
    def sentence(self) -> str:
        """What was found."""
        if not self.compared:
            return "The acceleration was not compared with full descent."
        return (
            f"Without acceleration {self.other_end.count} of {self.compared} seeds end elsewhere, "
            f"{self.other_call.count} with another verdict on collapse."
        )

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        shares = {"other_end": self.other_end, "other_call": self.other_call}
        return {"compared": self.compared, "left_out": self.left_out} | {
            name: {"count": share.count, "rate": share.value, "interval": share.interval}
            for name, share in shares.items()
        }


def audited(rows: Iterable[Mapping[str, Any]], full: Iterable[Mapping[str, Any]]) -> AuditCount:
    """Compare rows, one per seed, with those of full descent from the same seeds at the same settings.

    Intervals are exact (Clopper and Pearson).
    """
    fast = {_setting(row): row for row in rows if row["accelerate"] is not None}
    pairs = [(fast[_setting(row)], row) for row in full if row["accelerate"] is None and _setting(row) in fast]
    ended = [pair for pair in pairs if all(row["status"] == "converged" for row in pair)]
    ends = sum(not _same_end(*pair) for pair in ended)
    calls = sum((one["structure"] == "dnc") != (other["structure"] == "dnc") for one, other in ended)
    return AuditCount(
        compared=len(ended),
        left_out=len(pairs) - len(ended),
        other_end=rate(ends, len(ended), method="exact"),
        other_call=rate(calls, len(ended), method="exact"),
    )


def _setting(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _SETTING)


def _same_end(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["structure"] == other["structure"] and abs(one["loss"] - other["loss"]) <= _SAME_LOSS * other["loss"]
