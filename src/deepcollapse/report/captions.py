"""What the numbers of a demonstration say, in sentences that hold whichever way they fall.

Every function reads the machine form that the commands print with ``--json`` and states only what follows from it.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any

from deepcollapse.curvature import Spectrum
from deepcollapse.report.words import counted, number, percent

__all__ = [
    "SAME",
    "Json",
    "cost_of_collapse",
    "curvature_of",
    "dimension_of_solutions",
    "endpoint_losses",
    "problem_in_words",
    "proof_of_cost",
    "runs_in_words",
    "stability_of_collapse",
]

Json = Mapping[str, Any]

SAME = 1e-9
"""Relative difference below which two losses are one."""


def problem_in_words(problem: Json) -> str:
    """The sizes of a problem on one line."""
    parts = [
        f"K = {number(problem['classes'])} classes",
        f"n = {_listed(problem['samples'])} samples per class",
        f"L = {counted(problem['layers'], 'layer')}",
    ]
    if problem.get("width") is not None:
        parts.append(f"width d = {number(problem['width'])}")
    return ", ".join([*parts, f"weight decay {_listed(problem['decay'])}"]).replace(" = ", "\u00a0=\u00a0")


def cost_of_collapse(overview: Json) -> str:
    """Which of the structures compared is cheapest, and by how much deep neural collapse (DNC) loses or wins."""
    ranked = sorted(overview["structures"], key=lambda entry: entry["loss"])
    best, dnc = ranked[0], overview["dnc"]
    lowest = f"{best['name']} (rank {best['rank']}), with {number(best['loss'])}"
    among = f"the {counted(len(ranked), 'structure')} compared"
    if not dnc["exists"]:
        return f"{_absence(overview)} The lowest loss of {among} is that of {lowest}."
    least = "at least " if overview["problem"].get("activation") == "relu" else ""
    if best["loss"] >= dnc["loss"] * (1 - SAME):
        return (
            f"None of {among} has a lower loss than deep neural collapse (DNC), with {least}{number(dnc['loss'])}. "
            "That compares known structures and is no proof that DNC is the global minimum."
        )
    return (
        f"The lowest loss of {among} is that of {lowest}. Deep neural collapse (DNC) costs {least}"
        f"{number(dnc['loss'])}, {percent(dnc['loss'] / best['loss'] - 1)} more, so it is not the global minimum."
    )


def proof_of_cost(certificate: Json) -> str:
    """What interval arithmetic proves about the comparison; bounds are rounded to the safe side."""
    low, high = certificate["dnc_lower_bound"], certificate["competitor_upper_bound"]
    if not certificate["verified"]:
        return f"Interval arithmetic does not prove that DNC is beaten: {certificate['reason']}."
    return (
        f"Proved in interval arithmetic: DNC costs at least {_rounded(low, ROUND_FLOOR)}, and an explicit network "
        f"({certificate['competitor']}) at most {_rounded(high, ROUND_CEILING)}."
    )


def stability_of_collapse(overview: Json) -> str:
    """Whether gradient descent can settle in deep neural collapse, and up to which weight decay."""
    dnc = overview["dnc"]
    if not dnc["exists"]:
        return "Where DNC does not exist, its stability is no question."
    if dnc["stable"] is None or overview["problem"].get("activation") == "relu":
        return "No closed form tells here whether DNC is stable."
    limit = dnc["stable_decay_max"]
    reach = f" It is stable up to a weight decay of {number(limit)}." if limit is not None else ""
    if dnc["stable"]:
        return f"DNC is stable: no direction lowers the loss at second order.{reach}"
    return f"DNC is a strict saddle at this weight decay: some directions lower the loss at second order.{reach}"


def curvature_of(name: str, spectrum: Spectrum) -> str:
    """What the signs of a Hessian's eigenvalues say about a point."""
    total, zero = number(spectrum.parameters), number(spectrum.nullity)
    if spectrum.negative:
        return f"At {name}, {number(spectrum.negative)} of the {total} eigenvalues are negative: a strict saddle."
    none = f"At {name}, none of the {total} eigenvalues is negative and {zero} are zero"
    dimension = number(spectrum.solution_dimension)
    if spectrum.nullity == spectrum.solution_dimension:
        return f"{none}, as many as the set of equivalent solutions has dimensions: a local minimum."
    return f"{none}, where the set of equivalent solutions has {dimension} dimensions: second order does not decide."


def dimension_of_solutions(dimension: Json) -> str:
    """How much larger the set of collapsed solutions is than that of the low-rank ones."""
    dnc, low, ratio = (dimension[key]["exact"] for key in ("dnc", "low_rank", "ratio"))
    if ratio is None:
        return "The sets of solutions with DNC and of lower rank cannot be compared here: one is empty or unknown."
    sides = "more" if ratio > 1 else "fewer" if ratio < 1 else "equally many"
    return (
        f"The solutions with DNC form a set of {counted(dnc, 'dimension')}, those of rank {dimension['rank']} one of "
        f"{number(low)}: DNC has {sides} (ratio {number(ratio, digits=4)}, which tends to "
        f"{number(dimension['ratio_limit'], digits=4)} with growing width)."
    )


def runs_in_words(ensemble: Json) -> str:
    """How many runs have a known end, and how often that is deep neural collapse."""
    runs, dnc = ensemble["runs"], ensemble["dnc"]
    decided = runs - dnc["undecided"]
    first = _capital(f"{counted(decided, 'run', total=runs)} converged or settled{_others(ensemble)}.")
    low, high = (number(end, digits=3) for end in dnc["interval"])
    rate = "the rate is open" if dnc["rate"] is None else f"a rate of {number(dnc['rate'], digits=3)}"
    return f"{first} {counted(dnc['count'], 'run')} ended in DNC: {rate}, confidence interval {low} to {high}."


def endpoint_losses(losses: Sequence[float], bound: float | None) -> str:
    """How many runs ended below the DNC bound."""
    if bound is None:
        return "There is no DNC bound here."
    if not losses:
        return "No loss was recorded."
    below = sum(loss < bound * (1 - SAME) for loss in losses)
    who = _capital(counted(below, "run", total=len(losses)))
    return f"{who} with a recorded loss ended below the DNC bound."


def _listed(value: float | Sequence[float]) -> str:
    """One number, or several joined by commas."""
    return ", ".join(map(number, value)) if isinstance(value, Sequence) else number(value)


def _absence(overview: Json) -> str:
    """Why deep neural collapse is not among the solutions, as far as the numbers tell."""
    dnc, width = overview["dnc"], overview["problem"].get("width")
    if width is not None and width < dnc["rank"]:
        return f"Deep neural collapse (DNC) has rank {dnc['rank']} and does not fit the width {number(width)}."
    if dnc["decay_max"] is None:
        return "Deep neural collapse (DNC) does not exist for this problem."
    return f"At this weight decay deep neural collapse (DNC) does not exist; it does up to {number(dnc['decay_max'])}."


def _rounded(value: float, direction: str) -> str:
    """Six significant digits, rounded up or down as told."""
    return str(Context(prec=6, rounding=direction).create_decimal_from_float(value))


def _others(ensemble: Json) -> str:
    """What became of the undecided runs."""
    fates = {
        "not_converged": "still descending at the last step allowed",
        "stalled": "moving to and fro there",
        "diverged": "diverged",
        "interrupted": "interrupted",
    }
    known = [f"{number(ensemble[key])} {fate}" for key, fate in fates.items() if ensemble[key]]
    return f"; {', '.join(known)}" if known else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
