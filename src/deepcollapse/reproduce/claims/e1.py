"""E1: low rank has the lower loss, and gradient descent finds both pictures."""

from collections.abc import Mapping
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.acceleration import audit_of
from deepcollapse.reproduce.claims.ends import Ends, ends_by, quoted
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach
from deepcollapse.simulate import DECIDED

__all__ = ["E1"]

_AUDITS = ("E2-audit",)
_PICTURES = {"dnc": "the simplex (DNC)", "paired": "the paired blocks"}
_SAME = 1e-4  # relative loss: converged ends agree with the structure's closed form to 1e-5


def _judge(found: Evidence) -> Judgement:
    part = found.parts["E1"]
    ends = ends_by(part.rows, "init_scale")
    met = {name: [row for row in part.rows if _is(row, name)] for name in _PICTURES}
    if not any(point.decided for point in ends):
        return out_of_reach("no run is decided", numbers={"points": [point.as_json(["init_scale"]) for point in ends]})
    losses = {name: sorted(row["loss"] for row in rows) for name, rows in met.items()}
    audit = audit_of(found, part.rows, _AUDITS)
    return judged(
        _checks(met, losses),
        ours=" ".join(filter(None, [_ours(ends, losses), audit and audit.sentence])),
        numbers={
            "points": [point.as_json(["init_scale"]) for point in ends],
            "losses": {name: {"least": v[0], "largest": v[-1]} for name, v in losses.items() if v},
            "audit": audit and audit.as_json(),
        },
        conditions=[*_conditions(ends), *(audit.conditions if audit else [])],
    )


def _checks(met: dict[str, list[Mapping[str, Any]]], losses: dict[str, list[float]]) -> dict[str, bool]:
    checks = {f"runs end in {picture}": bool(met[name]) for name, picture in _PICTURES.items()}
    if all(losses.values()):
        checks["every paired end has a lower loss than every DNC end"] = losses["paired"][-1] < losses["dnc"][0]
        checks["the rank of the paired ends is below that of DNC"] = all(
            row["rank"] < row["classes"] - 1 for row in met["paired"]
        )
    if losses["dnc"]:
        checks["DNC ends have the loss of the closed form"] = all(
            abs(row["loss"] / row["dnc_loss"] - 1.0) < _SAME for row in met["dnc"]
        )
    return checks


def _is(row: Mapping[str, Any], name: str) -> bool:
    return row["status"] in DECIDED and row["structure"] == name


def _conditions(ends: list[Ends]) -> list[str]:
    both = [point.key[0] for point in ends if all(point.structures.get(name) for name in _PICTURES)]
    if len(both) == len(ends):
        return []
    return [
        f"both pictures only at initial scale {', '.join(f'{scale:g}' for scale in both)}"
        if both
        else "each picture at another initial scale"
    ]


def _ours(ends: list[Ends], losses: dict[str, list[float]]) -> str:
    counts = "; ".join(
        f"scale {point.key[0]:g}: paired {quoted(point.paired)}, DNC {quoted(point.dnc)}, "
        f"{point.decided - point.paired.count - point.dnc.count} other, "
        f"{point.undecided} of {point.runs} undecided"
        for point in ends
    )
    least = [f"{name} {values[0]:.6f}" for name, values in losses.items() if values]
    return f"Ends by initial scale: {counts}. Losses: {', '.join(least)}."


E1 = Claim(
    id="E1",
    title="Two pictures of logits, the one of low rank with the lower loss",
    setting="linear UFM, L = 2, d = 70, K = 10, n = 5, decay 2^-10, learning rate 0.5",
    paper="Gradient descent ends in a simplex from one start and in paired blocks from another; the low-rank one has "
    "the lower loss.",
    needs=("E1",),
    also=_AUDITS,
    judge=_judge,
)
