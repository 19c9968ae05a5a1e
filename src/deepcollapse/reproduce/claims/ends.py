"""Where the seeds of a simulation ended, counted by setting, with 95% intervals."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcollapse.simulate import Rate, rate

__all__ = ["Ends", "ends_by", "points", "quoted", "trend_broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The ends at one setting. Shares and means are over converged seeds: one that still moves has no end.

    Attributes:
        key: values of the settings that were grouped by.
        runs: seeds.
        converged: of them.
        diverged: of them.
        dnc: share that ended in deep neural collapse.
        ranks: converged seeds by rank.
        structures: converged seeds by structure.
        mean_rank: None where none converged.
        mean_loss: likewise.
        paired_loss: mean of the paired ends; None without any.
        dnc_loss: of collapse at this setting; None where it does not exist.
    """

    key: tuple[Any, ...]
    runs: int
    converged: int
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
        """Whether at least nine in ten seeds converged, so that the others hardly move the share."""
        return self.converged >= 0.9 * self.runs

    @property
    def gap(self) -> float | None:
        """(DNC loss - mean loss) / DNC loss."""
        return _gap(self.mean_loss, self.dnc_loss)

    @property
    def paired(self) -> Rate:
        """Share that ended at paired blocks."""
        return rate(self.structures.get("paired", 0), self.converged)

    @property
    def paired_gap(self) -> float | None:
        """(DNC loss - mean loss of the paired ends) / DNC loss."""
        return _gap(self.paired_loss, self.dnc_loss)

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain types; the key's values by name."""
        return dict(zip(names, self.key, strict=True)) | {
            "runs": self.runs,
            "converged": self.converged,
            "not_converged": self.runs - self.converged - self.diverged,
            "diverged": self.diverged,
            "dnc": {"count": self.dnc.count, "rate": self.dnc.value, "interval": self.dnc.interval},
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
    """
    if share.interval is None:
        return "0/0 (nothing known)"
    return f"{share.count}/{share.total} (95%: {share.interval[0]:.2f} to {share.interval[1]:.2f})"


def trend_broken(shares: Sequence[Rate]) -> bool:
    """Whether a later share is below an earlier one with disjoint intervals, so that it does not grow."""
    known = [share.interval for share in shares if share.interval is not None]
    return any(later[1] < earlier[0] for place, earlier in enumerate(known) for later in known[place + 1 :])


def _gap(loss: float | None, dnc_loss: float | None) -> float | None:
    return None if loss is None or not dnc_loss else (dnc_loss - loss) / dnc_loss


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return sum(row[name] for row in rows) / len(rows) if rows else None


def _ends(key: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> Ends:
    ended = [row for row in rows if row["status"] == "converged"]
    structures = Counter(row["structure"] for row in ended)
    return Ends(
        key=key,
        runs=len(rows),
        converged=len(ended),
        diverged=sum(row["status"] == "diverged" for row in rows),
        dnc=rate(structures["dnc"], len(ended)),
        ranks=dict(sorted(Counter(row["rank"] for row in ended).items())),
        structures=dict(structures.most_common()),
        mean_rank=_mean(ended, "rank"),
        mean_loss=_mean(ended, "loss"),
        paired_loss=_mean([row for row in ended if row["structure"] == "paired"], "loss"),
        dnc_loss=rows[0]["dnc_loss"],
    )
