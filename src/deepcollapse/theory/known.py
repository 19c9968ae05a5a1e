"""The lowest points known: named structures, and unnamed ones carried over from the atlas."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import UndefinedError
from deepcollapse.landscape import StationaryPoint, carried, polished
from deepcollapse.ufm import Problem, Structure, collapse, diagonally_superior, structure, structures
from deepcollapse.ufm.structures import triangular_points

__all__ = [
    "ATLAS_CLASSES",
    "ATLAS_LAYERS",
    "carried_over",
    "existing",
    "fitting_collapse",
    "followed",
    "known_points",
    "lowest_rival",
    "principal_ranks",
]

ATLAS_CLASSES = range(2, 17)
ATLAS_LAYERS = range(1, 9)
_CRITICAL = 1e-6


def known_points(problem: Problem) -> tuple[Structure, ...]:
    """Named structures that exist at this decay and fit the width, and the atlas's points that are none of them.

    By increasing loss, Z = 0 included. An unnamed point is called "unnamed-rank-3", has no scale of its own, and says
    which entry it was carried from (``origin``); there is one of a rank only where nothing known of at most that rank
    is below it, and a second only to have one that classifies every class correctly.
    """
    square = problem.replace(activation="linear", width=problem.classes)
    return tuple(point for point in _of_any_width(square) if point.rank <= problem.d)


@lru_cache(maxsize=32)
def _of_any_width(problem: Problem) -> tuple[Structure, ...]:
    return tuple(sorted((*structures(problem), *carried_over(problem)), key=lambda point: (point.loss, point.rank)))


def fitting_collapse(problem: Problem) -> Structure | None:
    """Collapse, or None where it does not exist at this decay or its rank is above the width."""
    try:
        found = collapse(problem)
    except UndefinedError:
        return None
    return found if found.rank <= problem.d else None


def lowest_rival(problem: Problem) -> Structure | None:
    """The lowest known point that classifies every class correctly with a rank below that of collapse, K - 1."""
    low = (point for point in known_points(problem) if 0 < point.rank < problem.classes - 1)
    return next((point for point in low if diagonally_superior(point.logits)), None)


def principal_ranks(classes: int) -> dict[str, int]:
    """Names and ranks of the structures of every number of classes >= 4: simplex, pairs, T_m where K fits, circle."""
    points = triangular_points(classes)
    triangular = {} if points is None else {f"T{points}": points - 1}
    return {"simplex": classes - 1, "paired": (classes + 1) // 2} | triangular | {"circle": 2}


@lru_cache(maxsize=1024)
def existing(name: str, problem: Problem) -> Structure | None:
    """The structure of that name, or None where it does not exist at this decay."""
    try:
        return structure(name, problem)
    except UndefinedError:
        return None


def carried_over(problem: Problem) -> tuple[Structure, ...]:
    """The atlas's points for this K and L without a name, followed to this problem's decay and samples."""
    return tuple(
        _unnamed(found.point, problem, origin=(found.entry.decay, found.entry.rank)) for found in carried(problem)
    )


def followed(logits: Float[np.ndarray, "K K"], problem: Problem, *, rank: int) -> Structure | None:
    """The unnamed stationary point that descent from given logits of that rank reaches; None if it is named or 0."""
    point = polished(logits, problem.replace(activation="linear"), rank=rank)
    return None if point.structure != "unnamed" or point.rank == 0 else _unnamed(point, problem, origin=None)


def _unnamed(point: StationaryPoint, problem: Problem, *, origin: tuple[float, int] | None) -> Structure:
    return Structure(
        name=f"unnamed-rank-{point.rank}",
        scales=(),
        loss=point.loss,
        rank=point.rank,
        singular_values=point.singular_values,
        critical=point.gradient_norm <= _CRITICAL * problem.mean_decay,
        matrix=lambda _: point.logits,
        origin=origin,
    )
