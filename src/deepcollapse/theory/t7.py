"""T7: in deep ReLU networks collapse is not optimal either."""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import close, confirmed
from deepcollapse.theory.known import fitting_collapse
from deepcollapse.ufm import Problem, regularised_loss
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.relu_collapse import relu_collapse
from deepcollapse.ufm.relu_networks import pairs_width, relu_networks
from deepcollapse.ufm.structures import simplex

__all__ = ["inequality_sides", "pairs_sides", "t7"]

STATEMENT = (
    "the loss of ReLU DNC is not the least; it is at least that of linear DNC, and a low-rank ReLU network is below it"
)

METHOD = (
    "forward pass of the explicit ReLU networks; the inequalities in whole numbers; random ReLU networks collapsed at "
    "every layer against linear collapse, at several depths"
)
_DRAWN, _DRAWN_WIDTH = 4, 128
WITHOUT_ASSUMPTION = "the paper's Assumption 1 (r_l <= r~_l) is not needed: the linear bound is proven without it"
NO_POINT = "there is no linear DNC point at this decay and width"


def t7(problem: Problem) -> Certificate:
    """Whether some ReLU network is below the loss of linear collapse, a lower bound for collapse under ReLU.

    The paper: at every decay for K >= 10, L >= 5 or K >= 16, L = 4, from the inequality in ``inequality_sides``.
    Explicit networks prove more: relu-pairs wherever ``pairs_sides`` are in order, and relu-T_m at this decay if its
    loss is below. The verdict is True if an inequality or a loss proves it, else None.

    Source: arXiv 2410.23169 (T7); the explicit networks are derived.

    >>> certificate = t7(Problem(classes=10, layers=3, activation="relu"))
    >>> certificate.applies, certificate.holds
    (False, True)
    """
    k, layers = problem.classes, problem.layers
    in_range = (k >= 10 and layers >= 5) or (k >= 16 and layers == 4)
    hypotheses = standing_hypotheses(problem, activation="relu") | {"K >= 10, L >= 5 or K >= 16, L = 4": in_range}
    if outside_model(problem, activation="relu"):
        return nothing_claimed("T7", STATEMENT, hypotheses)
    bound = fitting_collapse(problem.replace(activation="linear"))
    networks = relu_networks(problem)
    sides = {"inequality": inequality_sides(problem), "pairs_inequality": pairs_sides(problem)}
    proven = [name for name, (left, right) in sides.items() if left < right and problem.d >= _least_widths(k)[name]]
    below = [network.name for network in networks if bound is not None and network.loss < bound.loss]
    return Certificate(
        theorem="T7",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=True if proven or below else None,
        numbers={
            "linear_collapse_loss": None if bound is None else bound.loss,
            "networks": {network.name: network.loss for network in networks},
            "below": below,
            **{name: {"left": a, "right": b, "certifies": name in proven} for name, (a, b) in sides.items()},
        },
        recheck=partial(_recheck, problem),
        notes=(WITHOUT_ASSUMPTION, *(() if bound is not None else (NO_POINT,))),
    )


def inequality_sides(problem: Problem) -> tuple[float, float]:
    """The paper's inequality, left < right: penalties of its ReLU network and of linear collapse at one scale.

    Even K: 2K + 4 against (K-1) [2^(L-1) ((K+2)/K)^1.5]^(2/M); odd K: 2K + 6 against
    (K-1) [2^(L-1) ((K+3)/(K+1))^0.5 (K+3)/K]^(2/M).
    """
    k, layers = problem.classes, problem.layers
    if k % 2 == 0:
        left, growth = 2.0 * k + 4.0, ((k + 2) / k) ** 1.5
    else:
        left, growth = 2.0 * k + 6.0, math.sqrt((k + 3) / (k + 1)) * (k + 3) / k
    return left, (k - 1) * (2.0 ** (layers - 1) * growth) ** problem.penalty_power


def pairs_sides(problem: Problem) -> tuple[float, float]:
    """The explicit pairs network against linear collapse at one scale, left < right if it proves the claim.

    (2 K^2 (m+1)^(L-1))^(1/M) against K - 1, m = ceil(K/2); it needs the width ``ufm.relu_networks.pairs_width``. The
    paper's inequality, rearranged, has 4 K^2 m / (m + 1) in the place of 2 K^2, which is more: left < right there
    implies it here. Derived.

    >>> left, right = pairs_sides(Problem(classes=10, layers=4, activation="relu"))
    >>> left < right
    True
    """
    k, m = problem.classes, (problem.classes + 1) // 2
    logarithm = math.log(2.0 * k**2) + (problem.layers - 1) * math.log(m + 1.0)
    return math.exp(logarithm / problem.factors), k - 1.0


def _least_widths(classes: int) -> dict[str, int]:
    """The widths the networks behind the two inequalities need."""
    return {"inequality": classes, "pairs_inequality": pairs_width(classes)}


def _in_whole_numbers(problem: Problem) -> dict[str, tuple[int, int]]:
    """The two inequalities, raised to the power M and freed of fractions, in exact arithmetic: left and right."""
    k, m, layers = problem.classes, (problem.classes + 1) // 2, problem.layers
    grown, right = (m + 1) ** (layers - 1), (k - 1) ** (layers + 1)
    return {"inequality": (4 * k**2 * m * grown, right * (m + 1)), "pairs_inequality": (2 * k**2 * grown, right)}


def _recheck(problem: Problem, certificate: Certificate) -> Check:
    """ReLU networks by their forward pass, the inequalities in whole numbers, and ReLU collapse at several depths."""
    claimed, agrees = certificate.numbers, _collapse_is_above(problem)
    wholes, widths = _in_whole_numbers(problem), _least_widths(problem.classes)
    numbers: dict[str, object] = {
        name: True for name, (left, right) in wholes.items() if left < right and problem.d >= widths[name]
    }
    for name, sides in wholes.items():
        agrees &= _sides_agree(claimed[name], sides, problem) and claimed[name]["certifies"] is (name in numbers)
    fixed = {
        "inequality": ("left", 4 * ((problem.classes + 1) // 2 + 1)),
        "pairs_inequality": ("right", problem.classes - 1),
    }
    agrees &= all(close(claimed[name][side], float(value)) for name, (side, value) in fixed.items())
    proven = bool(numbers)
    losses = {network.name: regularised_loss(network.factors, problem) for network in relu_networks(problem)}
    agrees &= list(losses) == list(claimed["networks"])
    agrees &= all(close(claimed["networks"].get(name), loss) for name, loss in losses.items())
    bound, lower = fitting_collapse(problem.replace(activation="linear")), []
    agrees &= close(claimed["linear_collapse_loss"], None if bound is None else bound.loss)
    if bound is not None:
        fine, numbers["linear_collapse_loss"] = confirmed(bound, problem)
        lower = [name for name, loss in losses.items() if loss < numbers["linear_collapse_loss"]]
        agrees &= fine and ("relu-pairs" in lower or "relu-pairs" not in losses or "pairs_inequality" not in numbers)
    agrees &= lower == claimed["below"] and certificate.holds is (True if proven or lower else None)
    return Check(agrees, METHOD, numbers | losses)


def _sides_agree(claimed: Mapping[str, float], wholes: tuple[int, int], problem: Problem) -> bool:
    """Whether the sides have the ratio of the whole numbers, whose roots of order M they are up to a common factor."""
    logarithm = math.log(claimed["left"] / claimed["right"])
    return math.isclose(logarithm, (math.log(wholes[0]) - math.log(wholes[1])) / problem.factors, abs_tol=1e-9)


def _collapse_is_above(problem: Problem) -> bool:
    """Whether random ReLU networks, collapsed at every layer, cost no less than linear collapse, at several depths."""
    if not problem.classes <= problem.d <= _DRAWN_WIDTH:
        return True
    generator = np.random.default_rng(0)
    for layers in sorted({2, problem.layers, 2 * problem.layers}):
        at = problem.replace(layers=layers, decay=problem.mean_decay)
        ray = Ray(simplex(at).blocks[0], at)
        for scale in generator.uniform(0.5, 12.0, _DRAWN):
            factors = relu_collapse(at, generator, scale=float(scale))
            if regularised_loss(factors, at) < ray.loss(float(scale)) * (1.0 - 1e-9):
                return False
    return True
