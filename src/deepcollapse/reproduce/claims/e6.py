"""E6: low rank and no simplex also under standard weight decay."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.networks import (
    images,
    learned,
    low_rank,
    network_numbers,
    setting_conditions,
    told,
    trained_rows,
)
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["E6"]

_PARTS = ("E6-mnist", "E6-cifar10")
_DECAY, _RATE = 1e-2, 1e-3  # the paper's


def _judge(found: Evidence) -> Judgement:
    rows = trained_rows(found, _PARTS)
    fitted = [row for row in rows if learned(row)]
    ours, numbers = "; ".join(map(told, rows)) + ".", {"runs": network_numbers(rows)}
    decided = [row for row in fitted if low_rank(row, "rank") is not None]
    if not decided:
        reason = "every run was cut off at full rank" if fitted else "no run learned its training images"
        return out_of_reach(reason, ours=ours, numbers=numbers)
    return judged(
        {
            "every rank (above 1e-3 of the largest) is below that of DNC": all(
                low_rank(row, "rank") for row in decided
            ),
            "no class-mean logits are a simplex": all(row["structure"] not in ("simplex", "dnc") for row in decided),
        },
        ours=ours,
        numbers=numbers,
        conditions=_conditions(found, rows, decided),
    )


def _conditions(found: Evidence, rows: Sequence[Mapping[str, Any]], decided: Sequence[Mapping[str, Any]]) -> list[str]:
    conditions = setting_conditions(decided) + found.gaps(_PARTS)
    for name, text, papers in (("decay_weights", "decay", _DECAY), ("rate", "learning rate", _RATE)):
        others = sorted({row[name] for row in decided} - {papers})
        if others:
            conditions.append(f"{text} {', '.join(f'{value:g}' for value in others)} instead of {papers:g}")
    missed = [row for row in rows if row not in decided]
    conditions += [
        f"left out: {images(row)}, "
        + ("cut off at full rank" if learned(row) else f"training error {row['train_error']:.2f}")
        for row in missed
    ]
    return conditions


E6 = Claim(
    id="E6",
    title="Low rank under standard weight decay",
    setting="MNIST and CIFAR-10, ResNet-20, linear head L = 3, d = 64, decay 1e-2 on all parameters, "
    "learning rate 1e-3",
    paper="The class-mean logits are of low rank and not a simplex, also when all parameters decay alike.",
    also=_PARTS,
    judge=_judge,
)
