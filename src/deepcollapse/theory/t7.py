"""T7: in deep ReLU networks collapse is not optimal either."""

import math
from functools import partial

from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import confirmed
from deepcollapse.theory.known import fitting_collapse
from deepcollapse.ufm import Problem, Structure, regularised_loss
from deepcollapse.ufm.relu_networks import ReluNetwork, pairs_width, relu_networks

__all__ = ["inequality_sides", "pairs_sides", "t7"]

STATEMENT = (
    "the loss of ReLU DNC is not the least; it is at least that of linear DNC, and a low-rank ReLU network is below it"
)


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
        recheck=partial(_recheck, problem, bound, networks, holds=bool(proven or below)),
        notes=() if bound is not None else ("there is no linear DNC point at this decay and width",),
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


def _in_whole_numbers(problem: Problem) -> dict[str, bool]:
    """The two inequalities, raised to the power M and freed of fractions, in exact arithmetic."""
    k, m, layers = problem.classes, (problem.classes + 1) // 2, problem.layers
    grown, right = (m + 1) ** (layers - 1), (k - 1) ** (layers + 1)
    return {
        "inequality": 4 * k**2 * m * grown < right * (m + 1),
        "pairs_inequality": 2 * k**2 * grown < right,
    }


def _recheck(problem: Problem, bound: Structure | None, networks: tuple[ReluNetwork, ...], *, holds: bool) -> Check:
    """Losses of the ReLU networks by their forward pass; the inequalities in whole numbers."""
    agrees = True
    numbers: dict[str, object] = {
        name: True
        for name, true in _in_whole_numbers(problem).items()
        if true and problem.d >= _least_widths(problem.classes)[name]
    }
    proven = bool(numbers)
    losses = {network.name: regularised_loss(network.factors, problem) for network in networks}
    agrees &= all(math.isclose(losses[network.name], network.loss, rel_tol=1e-9) for network in networks)
    if bound is not None:
        fine, numbers["linear_collapse_loss"] = confirmed(bound, problem)
        agrees &= fine
        lower = [name for name, loss in losses.items() if loss < numbers["linear_collapse_loss"]]
        agrees &= "relu-pairs" in lower or "relu-pairs" not in losses or "pairs_inequality" not in numbers
        proven |= bool(lower)
    method = "forward pass of the explicit ReLU networks; the inequalities in whole numbers"
    return Check(agrees and proven == holds, method, numbers | losses)
