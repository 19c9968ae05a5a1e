"""Trained networks against the DNC bound: what E4 to E7 read off a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = [
    "PAPER_IMAGES",
    "below_bound",
    "below_bound_judgement",
    "images",
    "learned",
    "left_out",
    "low_rank",
    "network_numbers",
    "setting_conditions",
    "told",
    "trained_rows",
]

PAPER_IMAGES = 5000
"""Per class, in the paper's experiments."""

_LEARNED = 0.01
"""Share of wrong training images above which a run has not fitted its data and says nothing about collapse."""

_KEPT = ("run", "part", "source", "per_class", "backbone", "activation", "decay_kind", "decay_weights", "seed", "loss")
_KEPT += ("dnc_loss", "bound", "below_bound", "rank", "rank_paper", "structure", "train_error", "test_accuracy")
_KEPT += ("nc1", "outcome", "steps", "polished_structure", "polished_loss")


def trained_rows(found: Evidence, parts: Iterable[str]) -> list[Mapping[str, Any]]:
    """The rows of those parts that are complete, each with the name of its "part"."""
    complete = [part for name in parts if (part := found.part(name)) is not None]
    return [{**row, "part": part.name} for part in complete for row in part.rows]


def learned(row: Mapping[str, Any]) -> bool:
    """Whether the run classifies its training images."""
    return row["train_error"] is not None and row["train_error"] <= _LEARNED


def network_numbers(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is quoted of each run."""
    return [{name: row.get(name) for name in _KEPT} for row in rows]


def told(row: Mapping[str, Any]) -> str:
    """One run in words."""
    bound = "no bound" if row["dnc_loss"] is None else f"DNC bound {row['dnc_loss']:.4f}"
    estimate = " (estimate)" if row["bound"] != "exact" else ""
    return (
        f"{_backbone(row)} on {images(row)}: {row['loss']:.4f} against the {bound}{estimate}, "
        f"{row['rank_paper']} singular values above 1e-6 ({row['rank']} above 1e-3 of the largest), training error "
        f"{row['train_error']:.4f}, {row['outcome']} after {row['steps']} steps"
    )


def setting_conditions(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """In what the runs' setting is not the paper's."""
    found = []
    for row in rows:
        if row["per_class"] != PAPER_IMAGES:
            found.append(f"{row['per_class']} images per class instead of {PAPER_IMAGES:,} ({images(row)})")
        if row["backbone"] != "resnet20":
            found.append(f"{_backbone(row)} as backbone on {images(row)}")
        if not row["converged"]:
            found.append(f"{_backbone(row)} on {images(row)} ended at its horizon, {row['steps']} steps, not converged")
    return list(dict.fromkeys(found))


def low_rank(row: Mapping[str, Any], name: str = "rank_paper") -> bool | None:
    """Whether the rank is below that of DNC; None where it is not, but the run was cut off and it may still fall."""
    return True if row[name] < row["classes"] - 1 else (False if row["converged"] else None)


def below_bound(row: Mapping[str, Any]) -> bool | None:
    """Whether the loss is below the DNC bound; None where it is not, but the run was cut off and it still fell."""
    return True if row["below_bound"] else (False if row["converged"] else None)


def below_bound_judgement(found: Evidence, parts: Sequence[str], *, values: int) -> Judgement:
    """Whether every network ended below the DNC bound, with low rank; for E4 and E5.

    Args:
        found: the runs.
        parts: of one data set; what is missing of them becomes a condition.
        values: singular values above 1e-6 that the paper counts.
    """
    rows = trained_rows(found, parts)
    fitted = [row for row in rows if learned(row)]
    decided = [row for row in fitted if below_bound(row) is not None]
    ours, numbers = "; ".join(map(told, rows)) + ".", {"runs": network_numbers(rows), "paper_values": values}
    if not decided:
        reason = "every run was cut off above the bound" if fitted else "no run learned its training images"
        return out_of_reach(reason, ours=ours, numbers=numbers)
    counts = sorted({row["rank_paper"] for row in decided})
    return judged(
        {
            "every loss is below the DNC bound": all(below_bound(row) for row in decided),
            "every rank is below that of DNC": all(low_rank(row) is not False for row in decided),
        },
        ours=ours,
        numbers=numbers,
        conditions=[
            *setting_conditions(decided),
            *found.gaps(parts),
            *(
                [f"{' or '.join(map(str, counts))} singular values above 1e-6 instead of the paper's {values}"]
                if counts != [values]
                else []
            ),
            *left_out(rows, decided),
        ],
    )


def left_out(rows: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the others do not count."""
    return [
        f"left out: {_backbone(row)} on {images(row)}, "
        + ("cut off above the bound" if learned(row) else f"training error {row['train_error']:.2f}")
        for row in rows
        if row not in kept
    ]


def images(row: Mapping[str, Any]) -> str:
    """The data set's name; an archive is called by what its part is about."""
    names = {"mnist-5000": "MNIST", "mnist": "MNIST", "cifar10": "CIFAR-10"}
    if row["source"] == "file" and "cifar10" in row["part"]:
        return "CIFAR-10 (an archive)"
    return names.get(row["source"]) or str(row["source"])


def _backbone(row: Mapping[str, Any]) -> str:
    return {"resnet20": "ResNet-20", "mlp": "MLP"}.get(row["backbone"]) or str(row["backbone"])
