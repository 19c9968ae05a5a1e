"""E7: ReLU models and ReLU heads end below the loss of linear collapse, at low rank."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.networks import (
    below_bound,
    images,
    learned,
    left_out,
    low_rank,
    network_numbers,
    setting_conditions,
    told,
    trained_rows,
)
from deepcollapse.reproduce.claims.relu_ends import ReluEnds, relu_ends
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["E7"]

_NETWORKS = ("E7-mnist", "E7-cifar10")


def _judge(found: Evidence) -> Judgement:
    ends = relu_ends(found.parts["E7-ufm"].rows)
    shown = [point for point in ends if point.shows]
    networks = trained_rows(found, _NETWORKS)
    decided = [row for row in networks if learned(row) and below_bound(row) is not None]
    ours = _ours(ends, networks)
    numbers = {"scales": [point.as_json() for point in ends], "networks": network_numbers(networks)}
    if not shown and any(point.open for point in ends):
        reason = "UFM: not at any initial scale by the horizon, where most runs above the bound still moved"
        return out_of_reach(reason, ours=ours, numbers=numbers)
    checks = {
        "at some initial scale most runs of the UFM end below linear DNC": bool(shown),
        "most of these have a rank below K - 1": all(2 * point.high_settled <= point.below.count for point in shown),
    }
    if decided:
        checks["every network ends below linear DNC"] = all(below_bound(row) for row in decided)
        checks["every network's rank is below K - 1"] = all(low_rank(row) is not False for row in decided)
    conditions = [
        *_model_conditions(ends, shown),
        *_network_conditions(decided),
        *found.gaps(_NETWORKS),
        *left_out(networks, decided),
    ]
    return judged(checks, ours=ours, numbers=numbers, conditions=conditions)


def _model_conditions(ends: Sequence[ReluEnds], shown: Sequence[ReluEnds]) -> list[str]:
    conditions = []
    if shown and len(shown) < len(ends):
        scales = ", ".join(f"{point.scale:g}" for point in shown)
        rest = "; ".join(point.sentence for point in ends if not point.shows)
        conditions.append(f"UFM: only at initial scale {scales}; elsewhere below the bound: {rest}")
    high, below = sum(point.high for point in shown), sum(point.below.count for point in shown)
    if high:
        conditions.append(f"UFM: {high} of the {below} runs below the bound there still have rank K - 1 at the horizon")
    return conditions


def _network_conditions(networks: Sequence[Mapping[str, Any]]) -> list[str]:
    ranks = [
        f"{images(row)}: rank {row['rank_paper']} above 1e-6, {row['rank']} above 1e-3 of the largest, at the horizon"
        for row in networks
        if low_rank(row) is None
    ]
    return ranks + setting_conditions(networks)


def _ours(ends: Sequence[ReluEnds], networks: Sequence[Mapping[str, Any]]) -> str:
    moving, runs = sum(point.moving for point in ends), sum(point.below.total for point in ends)
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
