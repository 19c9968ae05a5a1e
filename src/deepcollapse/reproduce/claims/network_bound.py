"""Trained networks against the DNC bound, and their rank; for E4, E5 and the networks of E7."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claims.network_settings import setting_conditions
from deepcollapse.reproduce.claims.networks import (
    below_bound,
    learned,
    left_out,
    low_rank,
    network_numbers,
    open_ranks,
    told,
    trained_rows,
)
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["below_bound_judgement", "bound_checks", "bound_conditions"]

Rows = Sequence[Mapping[str, Any]]


def below_bound_judgement(
    found: Evidence, parts: Sequence[str], *, papers: Mapping[str, Any], values: int
) -> Judgement:
    """Whether every network ended below the DNC bound, with low rank; for E4 and E5.

    Args:
        found: the runs.
        parts: of one data set; what is missing of them becomes a condition.
        papers: settings, by column.
        values: singular values above 1e-6 that the paper counts.
    """
    rows = trained_rows(found, parts)
    decided = _decided(rows)
    ours, numbers = "; ".join(map(told, rows)) + ".", {"runs": network_numbers(rows), "paper_values": values}
    if not decided:
        fitted = any(map(learned, rows))
        reason = "no network is decided against the bound" if fitted else "no run learned its training images"
        return out_of_reach("; ".join([reason, *left_out(rows, [], why=_open)]), ours=ours, numbers=numbers)
    others = sorted({row["rank_paper"] for row in decided} - {values, None})
    counted = f"{' or '.join(map(str, others))} singular values above 1e-6 instead of the paper's {values}"
    return judged(
        bound_checks(rows),
        ours=ours,
        numbers=numbers,
        conditions=[*bound_conditions(rows, papers), *found.gaps(parts), *([counted] if others else [])],
    )


def bound_checks(rows: Rows) -> dict[str, bool]:
    """Of the networks that are decided, and only if any is: an undecided one makes no check true."""
    decided = _decided(rows)
    ranked = [row for row in decided if low_rank(row) is not None]
    checks = {
        f"every network that is decided ({len(decided)} of {len(rows)}) ends below the DNC bound": [
            below_bound(row) is True for row in decided
        ],
        f"every network whose rank is decided ({len(ranked)} of {len(rows)}) has one below K - 1": [
            low_rank(row) is True for row in ranked
        ],
    }
    return {text: all(of) for text, of in checks.items() if of}


def bound_conditions(rows: Rows, papers: Mapping[str, Any]) -> list[str]:
    """Which halves are open, in what the settings differ, and which networks do not count."""
    decided = _decided(rows)
    return [*open_ranks(decided), *setting_conditions(decided, papers), *left_out(rows, decided, why=_open)]


def _decided(rows: Rows) -> list[Mapping[str, Any]]:
    return [row for row in rows if learned(row) and below_bound(row) is not None]


def _open(row: Mapping[str, Any]) -> str:
    return "no bound" if row["bound"] != "exact" or row["below_bound"] is None else "cut off above the bound"
