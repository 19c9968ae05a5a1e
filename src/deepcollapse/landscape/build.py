"""Building the atlas: random starts at some decays, every point followed over all of them, the needed ones kept."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape.atlas import (
    SHOWN_DECAYS,
    AtlasEntry,
    Lowest,
    Region,
    read_table,
    write_table,
)
from deepcollapse.landscape.batch import Objective
from deepcollapse.landscape.carried import CRITICAL, frontier, is_wanted, moved
from deepcollapse.landscape.point import StationaryPoint, polished
from deepcollapse.landscape.ranks import Codes, Pool, descended, merged, scaled
from deepcollapse.ufm.objective import logits_objective
from deepcollapse.ufm.permutation import automorphisms
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.stationarity import stationarity
from deepcollapse.ufm.structures import Structure, structures

__all__ = ["GRID", "SEARCHED", "build_atlas", "faults", "random_codes", "settings"]

GRID = tuple(2.0**-e for e in (*range(3, 21), 24, 32, 48, 96, 192))
"""Decays over which points are followed, the last ones for the limit of no decay."""
SEARCHED = tuple(2.0**-e for e in (4, 6, 9, 12, 15, 19, 48))
"""Decays with random starts."""
_ONE_DIRECTION = 2.0**-5  # decays below are too small for a rank that cannot classify three classes
_KEPT = 4  # points followed per rank
_WITHIN = 1.05  # of the least loss at lower rank, for a point to be followed
_MET = 1e-7  # relative difference in loss within which a carried entry has found a point


def settings() -> tuple[tuple[int, int], ...]:
    """Classes and layers of the table, in order."""
    return tuple((classes, layers) for classes in range(2, 17) for layers in range(1, 9))


def build_atlas(
    path: Path,
    *,
    chosen: Iterable[tuple[int, int]] | None = None,
    restarts: int = 6,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Search every K and L and add what is found to the table; those already in it are not searched again.

    Args:
        path: the table, made if missing.
        chosen: (classes, layers); default all.
        restarts: random starts per rank and searched decay.
        workers: processes; they ignore SIGINT, and are stopped with this one.
        progress: called with (searches done, searches in all).

    Raises:
        InvalidInputError: no restarts or workers, or the file is no atlas.
    """
    for name, value in (("restarts", restarts), ("workers", workers)):
        if value < 1:
            raise InvalidInputError(f"{name}: expected at least 1, but found {value}; leave it out for the default")
    wanted = tuple(settings() if chosen is None else chosen)
    table = read_table(path)
    built = {"restarts": restarts, "decays": GRID, "searched": SEARCHED, "seed": "classes, layers, index of the decay"}
    write_table(path, table, built=built)
    left = [setting for setting in reversed(wanted) if setting not in table]
    for found in _found(partial(searched, restarts=restarts), left, workers=workers):
        table[found.classes, found.layers] = found
        write_table(path, table, built=built)
        if progress:
            progress(len(table), len(wanted))


def _found(
    search: Callable[[tuple[int, int]], Region], left: list[tuple[int, int]], *, workers: int
) -> Iterator[Region]:
    if workers == 1:
        yield from map(search, left)
        return
    with get_context("spawn").Pool(
        min(workers, max(1, len(left))), initializer=signal, initargs=(SIGINT, SIG_IGN)
    ) as pool:
        yield from pool.imap_unordered(search, left)


def faults(entries: Iterable[AtlasEntry]) -> Iterator[str]:
    """What is wrong with entries: loss, rank or singular values that their logits do not have, or a gradient left over.

    Takes seconds for the whole table; that no better point exists is not among the checks.
    """
    for entry in entries:
        name = f"K={entry.classes}, L={entry.layers}, decay={entry.decay:g}"
        if abs(logits_objective(entry.logits, entry.problem) - entry.loss) > 1e-10 * entry.loss:
            yield f"{name}: the loss is not that of the logits"
        values = np.linalg.svd(entry.logits, compute_uv=False)
        if (
            not np.allclose(values[: entry.rank], entry.singular_values, atol=1e-6)
            or (values[entry.rank :] > 1e-6).any()
        ):
            yield f"{name}: rank or singular values are not those of the logits"
        if stationarity(entry.logits, entry.problem, rtol=1e-7) > CRITICAL:
            yield f"{name}: the logits are not a critical point"


def searched(setting: tuple[int, int], *, restarts: int) -> Region:
    """The part of the table for one K and L."""
    pools = _followed(setting, restarts=restarts)
    entries = _shown(setting, pools)
    for decay in GRID:
        entries += _missed(_problem(setting, decay), pools[decay], entries)
    entries.sort(key=lambda entry: (entry.decay, entry.loss))
    lowest = tuple(_lowest(setting, decay, pools[decay]) for decay in sorted(GRID))
    return Region(*setting, tuple(entries), lowest)


def random_codes(classes: int, rank: int, *, count: int, generator: np.random.Generator) -> Codes:
    """Codes with margins of a few units: class vectors of one length, and partners equal to them up to noise.

    Half of them are nearly symmetric, half are not.
    """
    size = np.sqrt(2.0 * (3.0 + np.log(classes)))
    code = generator.standard_normal((count, classes, rank))
    code *= size / np.linalg.norm(code, axis=2, keepdims=True)
    noise = generator.choice([0.1, 1.0], (count, 1, 1)) * generator.standard_normal(code.shape) * size / np.sqrt(rank)
    return Codes(np.stack([code, code + noise], axis=1), np.zeros(count, dtype=int))


def _followed(setting: tuple[int, int], *, restarts: int) -> dict[float, Pool]:
    """The low points at every decay: from random starts and from those of the decay before, then of the one after."""
    classes, layers = setting
    pools: dict[float, Pool] = {}
    before = None
    for index, decay in enumerate(GRID):
        objective = Objective(layers=layers, decay=decay)
        starts = [] if before is None else [scaled(pools[before], before=before, after=decay)]
        if decay in SEARCHED:
            generator = np.random.default_rng([classes, layers, index])
            least = 1 if decay >= _ONE_DIRECTION else min(2, classes - 1)
            starts.append(_random_pool(range(least, classes), restarts, generator))
        pools[decay] = _low(descended(merged(starts), objective, kept=_KEPT), objective)
        before = decay
    for after, decay in zip(GRID[:0:-1], GRID[-2::-1], strict=True):
        objective = Objective(layers=layers, decay=decay)
        starts = [pools[decay], scaled(pools[after], before=after, after=decay)]
        pools[decay] = _low(descended(merged(starts), objective, kept=_KEPT), objective)
    return pools


def _random_pool(ranks: range, restarts: int, generator: np.random.Generator) -> Pool:
    """Random codes of every rank: as many as asked for up to half the classes, a third of that at higher ranks."""
    classes = ranks.stop
    counts = {rank: restarts if rank <= classes // 2 + 1 else -(-restarts // 3) for rank in ranks}
    return {rank: random_codes(classes, rank, count=count, generator=generator) for rank, count in counts.items()}


def _low(pool: Pool, objective: Objective) -> Pool:
    """Codes whose F is at most a few per cent above that of codes of lower rank, and at most twice the lowest."""
    losses = {rank: objective.value_and_gradient(pool[rank].factors)[0] for rank in sorted(pool)}
    most = 2.0 * min((values.min() for values in losses.values()), default=np.inf)
    least, low = np.inf, {}
    for rank, values in losses.items():
        chosen = values <= min(most, _WITHIN * least)
        if chosen.any():
            low[rank] = pool[rank][chosen]
        least = min(least, values.min())
    return low


def _shown(setting: tuple[int, int], pools: dict[float, Pool]) -> list[AtlasEntry]:
    """The best point at each of the shown decays, with or without a name."""
    found = []
    for decay in SHOWN_DECAYS:
        problem = _problem(setting, decay)
        rivals = [_point_of(one, problem) for one in _named(problem) if one.critical]
        rivals += [polished(code.logits[0], problem, rank=rank) for rank, code in _unnamed(problem, pools[decay])]
        found.append(_entry(problem, min(rivals, key=lambda point: (point.loss, point.rank))))
    return found


def _missed(problem: Problem, pool: Pool, entries: list[AtlasEntry]) -> list[AtlasEntry]:
    """Entries for those points of one decay that the entries there are do not lead to."""
    objective = Objective(layers=problem.layers, decay=problem.mean_decay)
    reached = moved(entries, objective)
    losses = {rank: objective.value_and_gradient(codes.factors)[0] for rank, codes in reached.items()}
    missed = []
    for rank, code in _unnamed(problem, merged([pool, reached])):
        value = objective.value_and_gradient(code.factors)[0]
        if not (losses.get(rank, np.array([np.inf])) <= value * (1.0 + _MET)).any():
            point = polished(code.logits[0], problem, rank=rank)
            if is_wanted(point, problem):
                missed.append(_entry(problem, point))
    return missed


def _unnamed(problem: Problem, pool: Pool) -> list[tuple[int, Codes]]:
    objective = Objective(layers=problem.layers, decay=problem.mean_decay)
    return frontier(pool, objective, named=_named(problem))


def _lowest(setting: tuple[int, int], decay: float, pool: Pool) -> Lowest:
    problem = _problem(setting, decay)
    named, unnamed = _named(problem)[0], _unnamed(problem, pool)
    if unnamed:
        objective = Objective(layers=problem.layers, decay=decay)
        rank, code = min(unnamed, key=lambda found: objective.value_and_gradient(found[1].factors)[0][0])
        best = polished(code.logits[0], problem, rank=rank)
        if best.loss < named.loss:
            return Lowest(decay, best.loss, best.rank, best.structure)
    return Lowest(decay, named.loss, named.rank, named.name)


@lru_cache(maxsize=64)
def _named(problem: Problem) -> tuple[Structure, ...]:
    return structures(problem)


def _problem(setting: tuple[int, int], decay: float) -> Problem:
    return Problem(classes=setting[0], layers=setting[1], decay=decay)


def _point_of(known: Structure, problem: Problem) -> StationaryPoint:
    if known.rank == 0:
        return StationaryPoint(known.logits, known.loss, 0, known.singular_values, known.name, 0.0, minimum=True)
    return StationaryPoint(
        logits=known.logits,
        loss=known.loss,
        rank=known.rank,
        singular_values=known.singular_values,
        structure=known.name,
        gradient_norm=stationarity(known.logits, problem) * problem.mean_decay,
        minimum=True,
    )


def _entry(problem: Problem, point: StationaryPoint) -> AtlasEntry:
    return AtlasEntry(
        classes=problem.classes,
        layers=problem.layers,
        decay=problem.mean_decay,
        loss=point.loss,
        rank=point.rank,
        structure=point.structure,
        automorphisms=automorphisms(point.logits, rtol=1e-5),
        singular_values=point.singular_values,
        logits=point.logits,
    )
