"""E7: ReLU models and ReLU heads end below the loss of linear collapse, at low rank."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.network_bound import bound_checks, bound_conditions
from deepcollapse.reproduce.claims.network_settings import RELU
from deepcollapse.reproduce.claims.networks import network_numbers, told, trained_rows
from deepcollapse.reproduce.claims.relu_ends import ReluEnds, relu_ends
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["E7"]

_NETWORKS = ("E7-mnist", "E7-cifar10")


def _judge(found: Evidence) -> Judgement:
    ends = relu_ends(found.parts["E7-ufm"].rows)
    shown = [point for point in ends if point.shows]
    networks = trained_rows(found, _NETWORKS)
    ours = _ours(ends, networks)
    numbers = {"scales": [point.as_json() for point in ends], "networks": network_numbers(networks)}
    if not shown and any(point.open for point in ends):
        reason = "UFM: not at any initial scale by the horizon, where undecided runs above the bound could show it"
        return out_of_reach(reason, ours=ours, numbers=numbers)
    checks = {"at some initial scale most runs of the UFM end below linear DNC": bool(shown)}
    if shown:
        checks["most of these stand at a rank below K - 1"] = all(2 * point.high < point.below.count for point in shown)
    return judged(
        checks | bound_checks(networks),
        ours=ours,
        numbers=numbers,
        conditions=[*_model_conditions(ends, shown), *_network_conditions(networks), *found.gaps(_NETWORKS)],
    )


def _model_conditions(ends: Sequence[ReluEnds], shown: Sequence[ReluEnds]) -> list[str]:
    conditions = []
    if shown and len(shown) < len(ends):
        scales = ", ".join(f"{point.scale:g}" for point in shown)
        rest = "; ".join(point.sentence for point in ends if not point.shows)
        conditions.append(f"UFM: only at initial scale {scales}; elsewhere below the bound: {rest}")
    below, high = sum(point.below.count for point in shown), sum(point.high for point in shown)
    moving = sum(point.moving - point.moving_above for point in shown)
    if high:
        conditions.append(f"UFM: {high} of the {below} runs below the bound there still have rank K - 1 at the horizon")
    if not any(point.decided for point in ends):
        conditions.append("UFM: no run was decided, so that none above the bound could refute the claim")
    elif moving:
        conditions.append(f"UFM: {moving} of the {below} runs below the bound there still moved at the horizon")
    return conditions


def _network_conditions(networks: Sequence[Mapping[str, Any]]) -> list[str]:
    conditions = bound_conditions(networks, RELU)
    if networks and not bound_checks(networks):
        conditions.append("the claim is open for networks: none is decided against the bound")
    return conditions


def _ours(ends: Sequence[ReluEnds], networks: Sequence[Mapping[str, Any]]) -> str:
    moving, runs = sum(point.moving for point in ends), sum(point.below.runs for point in ends)
    ranks = sorted({rank for point in ends for rank in point.ranks})
    model = (
        f"UFM, runs below the linear DNC loss {ends[0].dnc_loss:.6f}: {', '.join(point.sentence for point in ends)}; "
        f"ranks {ranks[0]} to {ranks[-1]}; {moving} of {runs} still moved at the horizon, where minima lie at kinks"
        if ranks
        else "UFM: all runs diverged"
    )
    return ". ".join([model, *map(told, networks)]) + "."


E7 = Claim(
    id="E7",
    title="ReLU models end below linear collapse",
    setting="ReLU UFM, L = 3, d = 70, decay 2^-9, n = 5, learning rate 0.5; ReLU heads L = 4 on MNIST and CIFAR-10",
    paper="The loss ends below the bound of linear DNC, at low rank.",
    needs=("E7-ufm",),
    also=_NETWORKS,
    judge=_judge,
)
