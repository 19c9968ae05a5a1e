"""T7: with ReLU, collapse is not optimal either."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["T7"]


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "T7", "T7") if entry.numbers]
    inside = [entry for entry in entries if entry.applies]
    outside = [entry for entry in entries if not entry.applies]
    beyond = [entry for entry in outside if entry.holds is True]
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
        },
        ours=f"True of {sum(entry.holds is True for entry in inside)} of {len(inside)} settings in range. "
        f"Explicit networks show it in {len(beyond)} of {len(outside)} settings beside it: {_examples(beyond)}.",
        numbers={
            "in_range": len(inside),
            "beyond": [
                {
                    "classes": entry.classes,
                    "layers": entry.layers,
                    "decay": entry.decay,
                    "linear_collapse_loss": entry.numbers["linear_collapse_loss"],
                    "networks": entry.numbers["networks"],
                    "below": entry.numbers["below"],
                }
                for entry in beyond
            ],
            "undecided": [entry.place for entry in outside if entry.holds is None],
        },
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
    judge=_judge,
)
