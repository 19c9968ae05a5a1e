"""T7: with ReLU, collapse is not optimal either."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged
from deepcollapse.simulate import DECIDED

__all__ = ["T7"]

_MODELS = "E7-ufm"
_BELOW = 1e-4  # relative: ends of one structure agree to 1e-5 each, see the classifier of simulations


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "T7", "T7") if entry.numbers]
    inside = [entry for entry in entries if entry.applies]
    outside = [entry for entry in entries if not entry.applies]
    beyond = [entry for entry in outside if entry.holds is True]
    collapsed = _collapsed(found)
    return judged(
        {
            f"DNC is not optimal in all {len(inside)} settings in range": bool(inside)
            and all(entry.holds is True for entry in inside),
            "the paper's inequality certifies all of them": all(
                entry.numbers["inequality"]["certifies"] for entry in inside
            ),
            "nothing is certified for two layers by the inequality": not any(
                entry.numbers["inequality"]["certifies"] for entry in outside if entry.layers == 2
            ),
            **recheck_checks(entries),
            **_bound_check(collapsed),
        },
        ours=f"True of {sum(entry.holds is True for entry in inside)} of {len(inside)} settings in range. "
        f"Explicit networks show it in {len(beyond)} of {len(outside)} settings beside it: {_examples(beyond)}. "
        f"{_bound_told(collapsed)}",
        numbers={
            "in_range": len(inside),
            "beyond": list(map(_numbers, beyond)),
            "undecided": [entry.place for entry in outside if entry.holds is None],
            "collapsed_relu_losses": [row["loss"] for row in collapsed],
        },
        conditions=_bound_open(collapsed, found.gaps([_MODELS])),
    )


def _numbers(entry: Certified) -> dict[str, Any]:
    names = ("linear_collapse_loss", "networks", "below")
    return {"classes": entry.classes, "layers": entry.layers, "decay": entry.decay} | {
        name: entry.numbers[name] for name in names
    }


def _collapsed(found: Evidence) -> list[Mapping[str, Any]]:
    """The ReLU runs that stand at DNC, each of which has its own bound."""
    part = found.part(_MODELS)
    return [row for row in (part.rows if part else ()) if row["structure"] == "dnc"]


def _below(row: Mapping[str, Any]) -> bool:
    return row["loss"] < row["dnc_loss"] * (1.0 - _BELOW)


def _decides(rows: Sequence[Mapping[str, Any]]) -> bool:
    """A run that still moves can be below the bound, which refutes it, but by being above it shows nothing."""
    return any(row["status"] in DECIDED or _below(row) for row in rows)


def _bound_check(rows: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    check = f"no ReLU run at DNC, of {len(rows)}, is below the loss of linear DNC"
    return {check: not any(map(_below, rows))} if _decides(rows) else {}


def _bound_open(rows: Sequence[Mapping[str, Any]], gaps: Sequence[str]) -> list[str]:
    if _decides(rows):
        return []
    told = "; ".join(gaps) or (f"the {len(rows)} that stand at DNC still moved" if rows else "none ended at DNC")
    return [f"that linear DNC bounds ReLU DNC from below is not tested by runs: {told}"]


def _bound_told(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No ReLU run stands at DNC."
    least = min(rows, key=lambda row: row["loss"] / row["dnc_loss"])
    return (
        f"Of {len(rows)} ReLU runs at DNC the lowest has loss {least['loss']:.6f}, linear DNC {least['dnc_loss']:.6f}."
    )


def _examples(beyond: list[Certified]) -> str:
    """The shallowest of each number of classes, with losses, at most three."""
    first: dict[int, Certified] = {}
    for entry in sorted((entry for entry in beyond if entry.numbers["below"]), key=lambda entry: entry.layers):
        first.setdefault(entry.classes, entry)
    chosen = sorted(first.values(), key=lambda entry: (entry.layers, entry.classes))[:3]
    told = []
    for entry in chosen:
        networks = entry.numbers["networks"]
        name = min(entry.numbers["below"], key=lambda one: networks[one])
        told.append(f"{entry.place}: {name} {networks[name]:.6f} < {entry.numbers['linear_collapse_loss']:.6f}")
    return "; ".join(told) or "none by its loss"


T7 = Claim(
    id="T7",
    title="ReLU collapse is not optimal either",
    setting="ReLU UFM: K >= 10, L >= 5 or K >= 16, L = 4, any decay",
    paper="DNC is not optimal, and the loss of linear DNC is a lower bound for that of ReLU DNC.",
    needs=("T7",),
    also=(_MODELS,),
    judge=_judge,
)
