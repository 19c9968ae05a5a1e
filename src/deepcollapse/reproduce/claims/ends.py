"""Where the seeds of a simulation ended, counted by setting, with 95% intervals."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcollapse.simulate import DECIDED, Rate, rate

__all__ = ["Ends", "ends_by", "points", "quoted", "trend_broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The ends at one setting. Shares are over all seeds, with bounds for the undecided; means are over decided seeds.

    Attributes:
        key: values of the settings that were grouped by.
        runs: seeds.
        decided: of them, those that converged, settled or are at zero.
        diverged: of the others.
        dnc: share that ended in deep neural collapse.
        ranks: decided seeds by rank.
        structures: decided seeds by structure.
        mean_rank: None where none is decided.
        mean_loss: likewise.
        paired_loss: mean of the paired ends; None without any.
        dnc_loss: of collapse at this setting; None where it does not exist.
    """

    key: tuple[Any, ...]
    runs: int
    decided: int
    diverged: int
    dnc: Rate
    ranks: Mapping[int, int]
    structures: Mapping[str, int]
    mean_rank: float | None
    mean_loss: float | None
    paired_loss: float | None
    dnc_loss: float | None

    @property
    def settled(self) -> bool:
        """Whether at least nine in ten seeds are decided, so that the others hardly move the means."""
        return self.decided >= 0.9 * self.runs

    @property
    def undecided(self) -> int:
        """Seeds whose end is not known."""
        return self.runs - self.decided

    @property
    def gap(self) -> float | None:
        """(DNC loss - mean loss) / DNC loss."""
        return _gap(self.mean_loss, self.dnc_loss)

    @property
    def paired(self) -> Rate:
        """Share that ended at paired blocks."""
        return rate(self.structures.get("paired", 0), self.runs, undecided=self.undecided)

    @property
    def paired_gap(self) -> float | None:
        """(DNC loss - mean loss of the paired ends) / DNC loss."""
        return _gap(self.paired_loss, self.dnc_loss)

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain types; the key's values by name."""
        return dict(zip(names, self.key, strict=True)) | {
            "runs": self.runs,
            "decided": self.decided,
            "undecided": self.undecided,
            "diverged": self.diverged,
            "dnc": self.dnc.as_json(),
            "ranks": self.ranks,
            "structures": self.structures,
            "mean_rank": self.mean_rank,
            "mean_loss": self.mean_loss,
            "paired_loss": self.paired_loss,
            "dnc_loss": self.dnc_loss,
            "gap": self.gap,
        }


def ends_by(rows: Iterable[Mapping[str, Any]], *names: str) -> list[Ends]:
    """Ends by values of the settings, in increasing order; rows are one per seed."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return [_ends(key, groups[key]) for key in sorted(groups)]


def points(ends: Sequence[Ends], key: Any, *, at: int) -> list[Ends]:
    """Those whose key has this value at this place."""
    return [point for point in ends if point.key[at] == key]


def quoted(share: Rate) -> str:
    """A share as it is written in a finding.

    >>> from deepcollapse.simulate import rate
    >>> quoted(rate(8, 10))
    '8/10 (95%: 0.49 to 0.94)'
    >>> quoted(rate(8, 16, undecided=6))
    '8/16, 6 undecided (95%: 0.28 to 0.97)'
    """
    if share.interval is None:
        return "0/0 (nothing known)"
    open_ = f", {share.undecided} undecided" if share.undecided else ""
    return f"{share.count}/{share.runs}{open_} (95%: {share.interval[0]:.2f} to {share.interval[1]:.2f})"


def trend_broken(shares: Sequence[Rate]) -> bool:
    """Whether a later share is below an earlier one with disjoint intervals, so that it does not grow."""
    known = [share.interval for share in shares if share.interval is not None]
    return any(later[1] < earlier[0] for place, earlier in enumerate(known) for later in known[place + 1 :])


def _gap(loss: float | None, dnc_loss: float | None) -> float | None:
    return None if loss is None or not dnc_loss else (dnc_loss - loss) / dnc_loss


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return sum(row[name] for row in rows) / len(rows) if rows else None


def _ends(key: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> Ends:
    ended = [row for row in rows if row["status"] in DECIDED]
    structures = Counter(row["structure"] for row in ended)
    return Ends(
        key=key,
        runs=len(rows),
        decided=len(ended),
        diverged=sum(row["status"] == "diverged" for row in rows),
        dnc=rate(structures["dnc"], len(rows), undecided=len(rows) - len(ended)),
        ranks=dict(sorted(Counter(row["rank"] for row in ended).items())),
        structures=dict(structures.most_common()),
        mean_rank=_mean(ended, "rank"),
        mean_loss=_mean(ended, "loss"),
        paired_loss=_mean([row for row in ended if row["structure"] == "paired"], "loss"),
        dnc_loss=rows[0]["dnc_loss"],
    )
