"""A network's features and head, held against the feature model at their decays."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from deepcollapse.errors import UndefinedError
from deepcollapse.networks import HeadVerdict, Network, StandardDecay, UfmDecay, head_verdict
from deepcollapse.networks.collapse_width import too_narrow
from deepcollapse.theory import Point, points
from deepcollapse.ufm import Factors, Problem, collapse

__all__ = ["Bound", "HeadComparison", "compared", "expect_bound"]

Bound = Literal["exact", "balanced estimate", "one-layer frame, no bound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadComparison:
    """What a head is in the feature model.

    Attributes:
        factors: H_1, W_1, ..., W_L.
        problem: the feature model at the network's sizes and decays; None where there is none to compare with.
        verdict: against collapse and the named structures; None without a problem.
        bound: "exact" under the feature model's decay. Under standard decay "balanced estimate": the bound of the one
            feature model whose first layer would be balanced with the features (``StandardDecay.balanced_problem``).
            Under the feature model's decay and classes of different size "one-layer frame, no bound".
        undefined: why there is no bound; None where there is one.
    """

    factors: Factors
    problem: Problem | None
    verdict: HeadVerdict | None
    bound: Bound
    undefined: str | None

    @property
    def best(self) -> Point | None:
        """The lowest point known of the linear model at the head's width, named or found by search."""
        return None if self.problem is None else _best_known(self.problem.replace(activation="linear"))

    def brief(self) -> dict[str, Any]:
        """What is followed through training, in JSON types; the best loss where it does not change on the way."""
        if self.verdict is None:
            return {"dnc_bound": None, "feature_model_objective": None, "best_structure_loss": None, "rank": None}
        ranks, best = self.verdict.ranks, self.best if self.bound != "balanced estimate" else None
        return {
            "dnc_bound": self.verdict.dnc_bound,
            "feature_model_objective": self.verdict.objective,
            "best_structure_loss": best and best.loss,
            "rank": {"paper": ranks.paper, "scale_free": ranks.scale_free},
        }


def compared(
    network: Network, factors: Factors, *, decay: UfmDecay | StandardDecay, samples: int | tuple[int, ...]
) -> HeadComparison:
    """Hold features and head, as they were read off, against the feature model.

    Args:
        network: whose head it is.
        factors: H_1, W_1, ..., W_L of it.
        decay: that it was trained with.
        samples: of each class.
    """
    standard = isinstance(decay, StandardDecay)
    try:
        if standard:
            problem = decay.balanced_problem(network.head, factors, samples=samples)
            expect_bound(problem)
        else:
            problem = decay.problem(network.head, samples)
    except UndefinedError as error:
        return HeadComparison(
            factors=factors, problem=None, verdict=None, bound="balanced estimate", undefined=str(error)
        )
    verdict = head_verdict(factors, problem)
    exact: Bound = "exact" if problem.balanced else "one-layer frame, no bound"
    return HeadComparison(
        factors=factors,
        problem=problem,
        verdict=verdict,
        bound="balanced estimate" if standard else exact,
        undefined=verdict.undefined,
    )


def expect_bound(problem: Problem) -> None:
    """Raise UndefinedError where the head is wide enough to collapse, but collapse does not exist at its decays."""
    if not too_narrow(problem):
        collapse(problem.replace(activation="linear"))


@lru_cache(maxsize=64)
def _best_known(problem: Problem) -> Point:
    return points(problem)[0]
