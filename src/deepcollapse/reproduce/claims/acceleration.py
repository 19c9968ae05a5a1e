"""Accelerated runs against full descent from the same seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcollapse.reproduce.claims.ends import quoted
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.simulate import DECIDED, Rate, rate

__all__ = ["AuditCount", "audit_of", "audited"]

_SAME_LOSS = 1e-4  # relative: ends of one structure agree to 1e-5 each, see the classifier of simulations
_BOUND = 0.1  # share of other verdicts on collapse that must be ruled out; else the shortcut is a condition

_SETTING = ("classes", "layers", "samples", "width", "decay", "activation", "lr", "init", "init_scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCount:
    """Seeds that were run both ways.

    Attributes:
        compared: how many of them are decided both ways.
        left_out: the others.
        settings: of the accelerated runs, how many of them were compared.
        settings_total: of the accelerated runs.
        other_end: share that ended at another point.
        other_call: share of which one run is collapse and the other is not.
    """

    compared: int
    left_out: int
    settings: int
    settings_total: int
    other_end: Rate
    other_call: Rate

    @property
    def conditions(self) -> list[str]:
        """What is to be stated if the shortcut may change what is claimed: no or too few comparisons, or other ends."""
        if self.other_call.interval is None:
            return ["accelerated runs, not compared with full descent"]
        if self.other_call.interval[1] > _BOUND:
            return [
                f"accelerated runs, compared with full descent at {self._where}: the verdict on collapse differs in "
                f"{quoted(self.other_call)}"
            ]
        return []

    @property
    def sentence(self) -> str:
        """What was found."""
        if not self.compared:
            return "The acceleration was not compared with full descent."
        return (
            f"Without acceleration, compared at {self._where}, {self.other_end.count} of {self.compared} seeds end "
            f"elsewhere, {self.other_call.count} with another verdict on collapse."
        )

    @property
    def _where(self) -> str:
        return f"{self.settings} of {self.settings_total} settings"

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        shares = {"other_end": self.other_end, "other_call": self.other_call}
        return {
            "compared": self.compared,
            "left_out": self.left_out,
            "settings_compared": self.settings,
            "settings_total": self.settings_total,
        } | {name: share.as_json() for name, share in shares.items()}


def audit_of(found: Evidence, rows: Sequence[Mapping[str, Any]], parts: Iterable[str]) -> AuditCount | None:
    """The audit of a claim's rows by parts that repeat some of them in full; None if no row is accelerated."""
    if all(row["accelerate"] is None for row in rows):
        return None
    complete = [part for name in parts if (part := found.part(name)) is not None]
    return audited(rows, [row for part in complete for row in part.rows])


def audited(rows: Iterable[Mapping[str, Any]], full: Iterable[Mapping[str, Any]]) -> AuditCount:
    """Compare rows, one per seed, with those of full descent from the same seeds at the same settings.

    Intervals are exact (Clopper and Pearson).
    """
    fast = {(_setting(row), row["seed"]): row for row in rows if row["accelerate"] is not None}
    slow = {(_setting(row), row["seed"]): row for row in full if row["accelerate"] is None}
    pairs = {key: (fast[key], row) for key, row in slow.items() if key in fast}
    ended = {key: pair for key, pair in pairs.items() if all(row["status"] in DECIDED for row in pair)}
    ends = sum(not _same_end(*pair) for pair in ended.values())
    calls = sum((one["structure"] == "dnc") != (other["structure"] == "dnc") for one, other in ended.values())
    open_ = len(pairs) - len(ended)
    return AuditCount(
        compared=len(ended),
        left_out=open_,
        settings=len({setting for setting, _ in ended}),
        settings_total=len({setting for setting, _ in fast}),
        other_end=rate(ends, len(pairs), undecided=open_, method="exact"),
        other_call=rate(calls, len(pairs), undecided=open_, method="exact"),
    )


def _setting(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _SETTING)


def _same_end(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["structure"] == other["structure"] and abs(one["loss"] - other["loss"]) <= _SAME_LOSS * other["loss"]
