"""E7: ReLU models and ReLU heads end below the loss of linear collapse, at low rank."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.ends import quoted
from deepcollapse.reproduce.claims.networks import learned, network_numbers, setting_conditions, told, trained_rows
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged
from deepcollapse.simulate import Rate, rate

__all__ = ["E7"]

_NETWORKS = ("E7-mnist", "E7-cifar10")
_MOST = 0.5  # an initial scale shows the claim if significantly more than half of its runs do


def _judge(found: Evidence) -> Judgement:
    rows = found.parts["E7-ufm"].rows
    scales = sorted({row["init_scale"] for row in rows})
    shares = {scale: _share([row for row in rows if row["init_scale"] == scale]) for scale in scales}
    met = [scale for scale in scales if (shares[scale].interval or (0.0, 1.0))[0] > _MOST]
    networks = trained_rows(found, _NETWORKS)
    fitted = [row for row in networks if learned(row)]
    checks = {"at some initial scale most runs end below linear DNC with a rank below K - 1": bool(met)}
    if fitted:
        checks["every network ends below linear DNC"] = all(row["below_bound"] is True for row in fitted)
    return judged(
        checks,
        ours=_ours(rows, shares, networks),
        numbers={
            "scales": [
                {"init_scale": scale, "count": share.count, "runs": share.total, "interval": share.interval}
                | _summary([row for row in rows if row["init_scale"] == scale])
                for scale, share in shares.items()
            ],
            "networks": network_numbers(networks),
        },
        conditions=_conditions(found, met=met, shares=shares, networks=networks),
    )


def _share(rows: Sequence[Mapping[str, Any]]) -> Rate:
    """Runs below the bound at low rank, of all. A run that still moves counts: its loss only falls."""
    return rate(sum(_below(row) and row["rank"] < row["classes"] - 1 for row in rows), len(rows))


def _below(row: Mapping[str, Any]) -> bool:
    return row["loss"] is not None and row["dnc_loss"] is not None and row["loss"] < row["dnc_loss"]


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    losses = sorted(row["loss"] for row in rows if row["loss"] is not None)
    ranks = sorted(row["rank"] for row in rows if row["rank"] is not None)
    return {
        "below": sum(_below(row) for row in rows),
        "not_converged": sum(row["status"] == "not converged" for row in rows),
        "median_loss": losses[len(losses) // 2] if losses else None,
        "least_loss": losses[0] if losses else None,
        "ranks": {str(value): ranks.count(value) for value in sorted(set(ranks))},
        "dnc_loss": rows[0]["dnc_loss"],
    }


def _conditions(
    found: Evidence, *, met: list[float], shares: Mapping[float, Rate], networks: list[Mapping[str, Any]]
) -> list[str]:
    conditions = []
    if met and len(met) < len(shares):
        rest = "; ".join(f"scale {scale:g} {quoted(share)}" for scale, share in shares.items() if scale not in met)
        conditions.append(f"UFM: only at initial scale {', '.join(f'{scale:g}' for scale in met)}; elsewhere {rest}")
    fitted = [row for row in networks if learned(row)]
    high = [row for row in fitted if row["rank_paper"] >= row["classes"] - 1]
    conditions += [
        f"{row['source']}: rank {row['rank_paper']} above 1e-6, {row['rank']} above 1e-3 of the largest, at the horizon"
        for row in high
    ]
    if len(fitted) < len(networks):
        conditions.append(f"{len(networks) - len(fitted)} networks left out, which did not learn their images")
    return conditions + setting_conditions(fitted) + found.gaps(_NETWORKS)


def _ours(
    rows: Sequence[Mapping[str, Any]], shares: Mapping[float, Rate], networks: Sequence[Mapping[str, Any]]
) -> str:
    told_shares = ", ".join(f"scale {scale:g}: {quoted(share)}" for scale, share in shares.items())
    moving = sum(row["status"] == "not converged" for row in rows)
    sentences = [
        f"UFM, runs below the linear DNC loss {rows[0]['dnc_loss']:.6f} with a rank below K - 1: {told_shares}; "
        f"{moving} of {len(rows)} still moved at the horizon, where minima lie at kinks"
    ]
    return ". ".join([*sentences, *map(told, networks)]) + "."


E7 = Claim(
    id="E7",
    title="ReLU models end below linear collapse",
    setting="ReLU UFM, L = 3, d = 70, decay 2^-9, n = 5, learning rate 0.5; ReLU heads L = 4 on MNIST and CIFAR-10",
    paper="The loss ends below the bound of linear DNC, at low rank.",
    needs=("E7-ufm",),
    also=_NETWORKS,
    judge=_judge,
)
