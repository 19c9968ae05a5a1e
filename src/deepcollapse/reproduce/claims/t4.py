"""T4: at small decay collapse is a critical point without negative curvature."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, listed, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["T4"]


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "T4", "T4") if entry.numbers]
    unstable = [entry for entry in entries if entry.holds is False]
    least = _at_least_decay(entries)
    checks = {
        "at the least decay of every K and L there is no negative eigenvalue": all(
            entry.holds is True for entry in least
        ),
        "stable exactly up to the decay that theory gives": bool(entries)
        and all(entry.holds == (entry.decay <= entry.numbers["decay_max"]) for entry in entries),
        **recheck_checks(entries),
    }
    return judged(
        checks,
        ours=f"Stable in {len(entries) - len(unstable)} of {len(entries)} settings with a DNC point; lambda_c(K, L, n) "
        f"predicts {sum(entry.decay <= entry.numbers['decay_max'] for entry in entries)}. Strict saddles: "
        f"{_saddles(unstable)}. {_thresholds(least)}",
        numbers={
            "settings": len(entries),
            "unstable": [
                {
                    "classes": entry.classes,
                    "layers": entry.layers,
                    "decay": entry.decay,
                    "negative": entry.numbers["negative"],
                    "minimum_over_decay": entry.numbers["minimum_over_decay"],
                }
                for entry in unstable
            ],
            "decay_max": {f"K = {entry.classes}, L = {entry.layers}": entry.numbers["decay_max"] for entry in least},
        },
    )


def _at_least_decay(entries: list[Certified]) -> list[Certified]:
    """The runs of least decay, one for each K and L."""
    least: dict[tuple[int, int], Certified] = {}
    for entry in entries:
        key = entry.classes, entry.layers
        if key not in least or entry.decay < least[key].decay:
            least[key] = entry
    return list(least.values())


def _saddles(unstable: list[Certified]) -> str:
    if not unstable:
        return "none among the runs"
    most = max(unstable, key=lambda entry: entry.numbers["negative"])
    return f"{listed(unstable, 2)}; the most negative eigenvalues, {most.numbers['negative']}, at {most.place}"


def _thresholds(least: list[Certified]) -> str:
    told = [f"K = {entry.classes}: {entry.numbers['decay_max']:.4g}" for entry in least if entry.layers == 3]
    return f"lambda_c at L = 3: {', '.join(told)}." if told else ""


T4 = Claim(
    id="T4",
    title="Collapse is stable at small decay",
    setting="linear UFM, d >= K, decay small",
    paper="For small decay DNC is critical with positive semidefinite Hessian.",
    needs=("T4",),
    judge=_judge,
)
