"""E6: low rank and no simplex also under standard weight decay."""

from collections.abc import Mapping
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.networks import learned, network_numbers, setting_conditions, told, trained_rows
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["E6"]

_PARTS = ("E6-mnist", "E6-cifar10")
_DECAY, _RATE = 1e-2, 1e-3  # the paper's


def _judge(found: Evidence) -> Judgement:
    rows = trained_rows(found, _PARTS)
    fitted = [row for row in rows if learned(row)]
    ours, numbers = "; ".join(map(told, rows)) + ".", {"runs": network_numbers(rows)}
    if not fitted:
        return out_of_reach("no run learned its training images", ours=ours, numbers=numbers)
    return judged(
        {
            "every rank is below that of DNC": all(row["rank"] < row["classes"] - 1 for row in fitted),
            "no class-mean logits are a simplex": all(row["structure"] not in ("simplex", "dnc") for row in fitted),
        },
        ours=ours,
        numbers=numbers,
        conditions=_conditions(found, rows, fitted),
    )


def _conditions(found: Evidence, rows: list[Mapping[str, Any]], fitted: list[Mapping[str, Any]]) -> list[str]:
    conditions = setting_conditions(fitted) + found.gaps(_PARTS)
    decays = sorted({row["decay_weights"] for row in fitted} - {_DECAY})
    if decays:
        conditions.append(f"decay {', '.join(f'{decay:g}' for decay in decays)} instead of {_DECAY:g}")
    rates = sorted({row["rate"] for row in fitted} - {_RATE})
    if rates:
        conditions.append(f"learning rate {', '.join(f'{rate:g}' for rate in rates)} instead of {_RATE:g}")
    missed = [row for row in rows if not learned(row)]
    conditions += [f"left out, training error {row['train_error']:.2f}: {row['source']}" for row in missed]
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
