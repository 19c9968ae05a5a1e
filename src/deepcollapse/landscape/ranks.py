"""Descent from codes of every rank, each losing the singular values that cost more than they gain."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deepcollapse.landscape.batch import Objective, descended_codes

__all__ = ["Codes", "Pool", "code_of", "descended", "merged", "scaled"]

_LEG = 60  # steps between looks at the rank
_LEGS = 8
_HOPELESS = (1.15, 1.03)  # of the lowest F of the batch: codes above that after the first leg, a later one, stop there
_RESTING = 3e-5  # gradient norm in decays
_SAME = 1e-7  # relative difference in F below which two codes of one rank count as one


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of one rank.

    Attributes:
        factors: A and B of each.
        origins: a label of each, which descent keeps.
    """

    factors: Float[np.ndarray, "B 2 K r"]
    origins: Int[np.ndarray, " B"]

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, chosen: np.ndarray | slice) -> "Codes":
        return Codes(self.factors[chosen], self.origins[chosen])

    @property
    def logits(self) -> Float[np.ndarray, "B K K"]:
        """A B^T of each."""
        return self.factors[:, 0] @ self.factors[:, 1].swapaxes(-1, -2)

    def cut(self, rank: int) -> "Codes":
        """Balanced factors of the logits truncated to a rank."""
        u, s, vt = np.linalg.svd(self.logits)
        root = np.sqrt(s[:, None, :rank])
        factors = np.stack([u[..., :rank] * root, vt[:, :rank].swapaxes(-1, -2) * root], axis=1)
        return Codes(factors, self.origins)


Pool = Mapping[int, Codes]
"""Codes by rank."""


def code_of(logits: Float[np.ndarray, "K K"], *, rank: int, origin: int = 0) -> Codes:
    """The balanced factors of logits truncated to a rank, as a batch of one."""
    whole = np.stack([logits, np.eye(len(logits))])[None]
    return Codes(whole, np.array([origin])).cut(rank)


def descended(starts: Pool, objective: Objective, *, kept: int) -> Pool:
    """The lowest distinct codes of each rank that the starts lead to, by increasing F.

    A code goes on at the next lower rank once dropping its least singular value lowers F: from then on it has a rival
    of lower rank and lower loss.

    Args:
        starts: codes by rank.
        objective: F.
        kept: codes per rank at most.
    """
    found, waiting = {}, {rank: [codes] for rank, codes in starts.items()}
    for rank in range(max(starts, default=0), 0, -1):
        resting, dropped = _settled(_joined(waiting.get(rank, [])), objective)
        waiting[rank - 1] = [*waiting.get(rank - 1, []), *dropped]
        if resting is not None:
            found[rank] = _distinct(resting, objective)[:kept]
    return found


def merged(pools: Iterable[Pool]) -> Pool:
    """All codes of several pools."""
    together: dict[int, list[Codes]] = {}
    for pool in pools:
        for rank, codes in pool.items():
            together.setdefault(rank, []).append(codes)
    return {rank: joined for rank, codes in together.items() if (joined := _joined(codes)) is not None}


def scaled(pool: Pool, *, before: float, after: float) -> Pool:
    """Codes found at one decay, brought to about their size at another: margins grow like log(1 / decay)."""
    factor = np.sqrt(max(1.0, -np.log(after)) / max(1.0, -np.log(before)))
    return {rank: Codes(codes.factors * factor, codes.origins) for rank, codes in pool.items()}


def _settled(codes: Codes | None, objective: Objective) -> tuple[Codes | None, list[Codes]]:
    """Codes at rest at their rank, and those that go on at the next lower one."""
    resting: list[Codes] = []
    dropped: list[Codes] = []
    for leg in range(_LEGS):
        if codes is None:
            break
        factors, values, slopes = descended_codes(codes.factors, objective, steps=_LEG, tolerance=_RESTING)
        codes = Codes(factors, codes.origins)
        lower = _lower(codes, values, objective, into=dropped)
        rest = ~lower & (slopes <= _RESTING)
        resting.append(codes[rest])
        low = values <= _HOPELESS[min(leg, 1)] * values.min()
        codes = _joined([codes[~lower & ~rest & low]])
    return _joined(resting if codes is None else [*resting, codes]), dropped


def _lower(
    codes: Codes, values: Float[np.ndarray, " B"], objective: Objective, *, into: list[Codes]
) -> Bool[np.ndarray, " B"]:
    """Which codes have a lower F without their least singular value; these are put into the list, without it."""
    rank = codes.factors.shape[-1]
    if rank == 1:
        return np.zeros(len(codes), dtype=bool)
    fewer = codes.cut(rank - 1)
    lower = objective.value_and_gradient(fewer.factors)[0] < values
    into.append(fewer[lower])
    return lower


def _joined(batches: Iterable[Codes]) -> Codes | None:
    filled = [batch for batch in batches if len(batch)]
    if not filled:
        return None
    return Codes(np.concatenate([b.factors for b in filled]), np.concatenate([b.origins for b in filled]))


def _distinct(codes: Codes, objective: Objective) -> Codes:
    values = objective.value_and_gradient(codes.factors)[0]
    order = np.argsort(values, kind="stable")
    return codes[order[np.diff(values[order], prepend=-np.inf) > _SAME * values[order]]]
