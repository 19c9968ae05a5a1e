"""E6: low rank and no simplex also under standard weight decay."""

from collections.abc import Mapping
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.network_settings import STANDARD, setting_conditions
from deepcollapse.reproduce.claims.networks import (
    learned,
    left_out,
    low_rank,
    network_numbers,
    told,
    trained_rows,
)
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["E6"]

_PARTS = ("E6-mnist", "E6-cifar10")


def _judge(found: Evidence) -> Judgement:
    rows = trained_rows(found, _PARTS)
    decided = [row for row in rows if learned(row) and low_rank(row, "rank") is not None]
    missed = left_out(rows, decided, why=_open)
    ours, numbers = "; ".join(map(told, rows)) + ".", {"runs": network_numbers(rows)}
    if not decided:
        fitted = any(map(learned, rows))
        reason = "the rank of no network is decided" if fitted else "no run learned its training images"
        return out_of_reach("; ".join([reason, *missed]), ours=ours, numbers=numbers)
    share = f"({len(decided)} of {len(rows)})"
    return judged(
        {
            f"every network whose rank is decided {share} has one below K - 1, above 1e-3 of the largest": all(
                low_rank(row, "rank") is True for row in decided
            ),
            f"no class-mean logits of these {share} are a simplex": all(
                row["structure"] not in ("simplex", "dnc") for row in decided
            ),
        },
        ours=ours,
        numbers=numbers,
        conditions=[*setting_conditions(decided, STANDARD), *found.gaps(_PARTS), *missed],
    )


def _open(row: Mapping[str, Any]) -> str:
    return "rank not defined" if row["rank"] is None else "cut off at full rank"


E6 = Claim(
    id="E6",
    title="Low rank under standard weight decay",
    setting="MNIST and CIFAR-10, ResNet-20, linear head L = 3, d = 64, decay 1e-2 on all parameters, "
    "learning rate 1e-3",
    paper="The class-mean logits are of low rank and not a simplex, also when all parameters decay alike.",
    also=_PARTS,
    judge=_judge,
)
