"""Global search for minimisers of F over logits: every rank, many restarts, families and the atlas included."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import ConvergenceError, InvalidInputError, TooLargeError, UndefinedError
from deepcollapse.landscape.carried import carried
from deepcollapse.landscape.fixed_rank import FixedRank, split
from deepcollapse.landscape.point import StationaryPoint, closer, described, rest
from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.ufm.objective import expect_class_logits, weighted_logits
from deepcollapse.ufm.permutation import aligned, automorphisms
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.structures import collapse, structures

__all__ = ["Found", "Landscape", "Progress", "search"]

Progress = Callable[[int, int], None]
"""Called with (starts done, starts in all)."""

_STATIONARY = 1e-10  # largest gradient norm of a point that counts as found, where the decay is above 1 / _RELATIVE
_RELATIVE = 1e3  # below, the bound shrinks with the decay
_SEEN = 1e-8  # a descent ending this close (relative loss) to a known minimum of its rank has met it again
_SAME = 1e-7  # relative difference in loss below which two polished points are compared entry by entry
_LOW = 1e-4  # an unsolved end within this share above the lowest point is tried again
_LEAST_DECAY = 1e-60
_RESTARTS_MAX = 10**6  # of each rank
_LARGEST_SEARCHED = 256  # one descent takes minutes there
_LARGEST_COUNTED = 16  # symmetry groups are counted up to this many classes


@dataclass(frozen=True, slots=True)
class Found:
    """A stationary point and how it was met.

    Attributes:
        point: the point.
        hits: from how many starts it was reached.
        automorphisms: order of its group of class permutations; None above 16 classes.
    """

    point: StationaryPoint
    hits: int
    automorphisms: int | None


@dataclass(frozen=True, slots=True)
class Landscape:
    """Result of a search: the distinct local minima met, by increasing loss.

    Attributes:
        problem: the model.
        found: the minima, at least one; saddles only where a restriction of the ranks leaves no minimum.
        restarts: random starts in all.
        unresolved: starts that ended where no stationary point could be solved for, all above the lowest minimum.
        collapse_loss: loss of deep neural collapse; None where it does not exist or does not fit the width. Under
            unequal samples it is that of the one-layer frame, in general no critical point beyond one layer.
    """

    problem: Problem
    found: tuple[Found, ...]
    restarts: int
    unresolved: int
    collapse_loss: float | None

    @property
    def minimum(self) -> StationaryPoint:
        """The lowest point met: best known, not proven best."""
        return self.found[0].point

    def as_json(self) -> dict[str, object]:
        """The landscape as plain numbers, lists and names."""
        return {
            "minimum": self.minimum.as_json(),
            "dnc_loss": self.collapse_loss,
            "found": [f.point.as_json() | {"hits": f.hits, "automorphisms": f.automorphisms} for f in self.found],
            "restarts": self.restarts,
            "unresolved": self.unresolved,
        }


def search(
    problem: Problem,
    *,
    ranks: tuple[int, ...] | None = None,
    restarts: int = 20,
    starts: tuple[Float[np.ndarray, "K K"], ...] = (),
    with_atlas: bool = True,
    generator: np.random.Generator | None = None,
    progress: Progress | None = None,
) -> Landscape:
    """Minimise F over rank-r logits for every r from random starts, and from every known point that fits.

    A start that loses singular values goes on at lower rank, so a point's rank is its own, not its start's. The named
    structures and the points carried from the atlas are among the starts, so none of them beats the result; nothing
    proves it globally optimal.

    Args:
        problem: a linear model; its width caps the rank.
        ranks: ranks to start from; default 1 to K - 1 (K for the squared error).
        restarts: random starts per rank.
        starts: class logits to start from as well.
        with_atlas: whether to start from the points carried from the atlas as well.
        generator: of the starts; default seeded with 0.
        progress: called after every start.

    Raises:
        InvalidInputError: a ReLU model, a rank out of range, or no starts.
        TooLargeError: more than 256 classes.
        ConvergenceError: a descent ended below the lowest minimum without reaching a stationary point.

    >>> search(Problem(classes=4, layers=3), restarts=2).minimum.structure
    'paired'
    """
    chosen = _checked(problem, ranks, restarts)
    _expect_small(problem)
    generator = np.random.default_rng(0) if generator is None else generator
    named = [
        *_given_starts(starts, problem),
        *_family_starts(problem, chosen, generator),
        *(_atlas_starts(problem, chosen, generator) if with_atlas else ()),
    ]
    random = _random_starts(problem, chain.from_iterable(repeat(chosen, restarts)), generator)
    total = len(named) + restarts * len(chosen)
    report = None if progress is None else lambda done: progress(done, total)
    gathered, unresolved = _gathered(chain(named, random), problem, report)
    minima = [found for found in gathered if found.point.minimum] or gathered
    minima.sort(key=lambda found: (found.point.loss, found.point.rank))
    _expect_resolved(unresolved, minima[0].point.loss)
    return Landscape(
        problem=problem,
        found=tuple(_counted(found, problem) for found in minima),
        restarts=restarts * len(chosen),
        unresolved=len(unresolved),
        collapse_loss=_collapse_loss(problem),
    )


def _checked(problem: Problem, ranks: tuple[int, ...] | None, restarts: int) -> tuple[int, ...]:
    if problem.activation != "linear":
        raise InvalidInputError(
            'activation: expected "linear", but found "relu", where logits alone do not determine the loss; search the '
            'linear model (activation="linear"), or simulate this one'
        )
    if problem.mean_decay < _LEAST_DECAY:
        raise InvalidInputError(
            f"decay: expected at least {_LEAST_DECAY:g} for a search, but found {problem.mean_decay:g}; raise it: "
            "below, the gradient of a far start, in decays, leaves float64"
        )
    if restarts < 1:
        raise InvalidInputError(f"restarts: expected at least 1, but found {restarts}; ask for 20")
    if restarts > _RESTARTS_MAX:
        raise InvalidInputError(f"restarts: expected at most {_RESTARTS_MAX}, but found {restarts}; ask for fewer")
    largest = min(problem.d, problem.classes - 1 if problem.loss == "ce" else problem.classes)
    chosen = tuple(range(1, largest + 1)) if ranks is None else ranks
    if not chosen or min(chosen) < 1 or max(chosen) > largest:
        raise InvalidInputError(
            f"ranks: expected numbers from 1 to {largest}, but found {chosen}; choose among these, as "
            "width and centring of the logits allow no other"
        )
    return chosen


def _expect_small(problem: Problem) -> None:
    if problem.classes > _LARGEST_SEARCHED:
        raise TooLargeError(
            f"classes: expected at most {_LARGEST_SEARCHED} for a search, but found {problem.classes}; "
            "compare the named structures instead"
        )


def _given_starts(starts: tuple[Float[np.ndarray, "K K"], ...], problem: Problem) -> Iterator[Float[np.ndarray, " p"]]:
    for logits in starts:
        expect_class_logits(logits, problem)
        values = np.linalg.svd(weighted_logits(logits, problem), compute_uv=False)
        yield split(logits, problem, rank=min(numerical_rank(values), problem.d))


def _family_starts(
    problem: Problem, ranks: tuple[int, ...], generator: np.random.Generator
) -> Iterator[Float[np.ndarray, " p"]]:
    """Named structures, shaken a little so that strict saddles are left."""
    for known in structures(problem):
        if known.rank in ranks:
            yield _shaken(split(known.logits, problem, rank=known.rank), generator)


def _atlas_starts(
    problem: Problem, ranks: tuple[int, ...], generator: np.random.Generator
) -> Iterator[Float[np.ndarray, " p"]]:
    """The atlas's points at this decay, shaken likewise."""
    for known in carried(problem):
        if known.point.rank in ranks:
            yield _shaken(split(known.point.logits, problem, rank=known.point.rank), generator)


def _shaken(start: Float[np.ndarray, " p"], generator: np.random.Generator) -> Float[np.ndarray, " p"]:
    return start * (1.0 + 1e-3 * generator.standard_normal(start.size))


def _random_starts(
    problem: Problem, ranks: Iterable[int], generator: np.random.Generator
) -> Iterator[Float[np.ndarray, " p"]]:
    """A random code per entry of ``ranks``: class vectors of about the size of collapse against themselves plus noise.

    Half of the codes are nearly symmetric, half are not.
    """
    size = np.sqrt(2.0 * np.sqrt(max(problem.class_samples)) * (3.0 + np.log(problem.classes)))
    for rank in ranks:
        code = generator.standard_normal((problem.classes, rank))
        code *= size / np.linalg.norm(code, axis=1, keepdims=True)
        noise = generator.choice([0.1, 1.0]) * generator.standard_normal(code.shape) * size / np.sqrt(rank)
        yield np.concatenate([code.ravel(), (code + noise).ravel()])


def _gathered(
    starts: Iterable[np.ndarray], problem: Problem, report: Callable[[int], None] | None
) -> tuple[list[Found], list[float]]:
    """Distinct stationary points that the starts and Z = 0 lead to, and the losses of the ends that are none."""
    gathered: list[Found] = []
    left: list[tuple[FixedRank, np.ndarray]] = []
    for done, start in enumerate(chain([np.zeros(0)], starts)):
        manifold, end = rest(start, problem)
        if not _placed(gathered, manifold, end):
            left.append((manifold, end))
        if report:
            report(done)
    return gathered, _unresolved(left, gathered)


def _unresolved(left: list[tuple[FixedRank, np.ndarray]], gathered: list[Found]) -> list[float]:
    """Losses of the ends that a closer descent does not solve either; ends above the lowest point are not worth one."""
    losses = [float(manifold.value_and_gradient(end)[0]) for manifold, end in left]
    unresolved = []
    for index in np.argsort(losses):
        manifold, end = left[index]
        low = losses[index] < min(found.point.loss for found in gathered) * (1.0 + _LOW)
        if not (low and _placed(gathered, manifold, closer(manifold, end))):
            unresolved.append(losses[index])
    return unresolved


def _placed(gathered: list[Found], manifold: FixedRank, end: Float[np.ndarray, " p"]) -> bool:
    """Count an end towards the stationary point it leads to, a new one perhaps; False where it leads to none."""
    index = _met(gathered, manifold, end)
    if index is None:
        point = described(manifold, end)
        if point.gradient_norm > _STATIONARY * min(1.0, _RELATIVE * manifold.problem.mean_decay):
            return False
        index = next((i for i, known in enumerate(gathered) if _same(known.point, point)), len(gathered))
        if index == len(gathered):
            gathered.append(Found(point, hits=0, automorphisms=None))
    gathered[index] = replace(gathered[index], hits=gathered[index].hits + 1)
    return True


def _expect_resolved(unresolved: list[float], lowest: float) -> None:
    """An end that Newton's method did not solve is harmless above the lowest minimum, and an error below it."""
    if min(unresolved, default=lowest) < lowest * (1.0 - _SAME):
        raise ConvergenceError(
            f"landscape: expected every descent below the lowest minimum {lowest:.9g} to reach a stationary point, but "
            f"found one left at {min(unresolved):.9g}; try another seed or more restarts"
        )


def _met(gathered: list[Found], manifold: FixedRank, end: Float[np.ndarray, " p"]) -> int | None:
    """Index of the known point that a descent came to rest at, judged by rank, loss and singular values alone."""
    if not end.size:
        return None
    loss = float(manifold.value_and_gradient(end)[0])
    values = np.linalg.svd(weighted_logits(manifold.logits(end), manifold.problem), compute_uv=False)[: manifold.rank]
    for index, known in enumerate(gathered):
        same_loss = known.point.rank == manifold.rank and abs(known.point.loss - loss) <= _SEEN * loss
        if same_loss and np.allclose(values, known.point.singular_values, rtol=1e-4):
            return index
    return None


def _same(one: StationaryPoint, other: StationaryPoint) -> bool:
    """Equal up to a class permutation: loss and singular values first, then the logits."""
    if one.rank != other.rank or abs(one.loss - other.loss) > _SAME * one.loss:
        return False
    if one.rank == 0 or not np.allclose(one.singular_values, other.singular_values, rtol=1e-5):
        return one.rank == 0
    return aligned(one.logits, other.logits, rtol=1e-4) is not None


def _counted(found: Found, problem: Problem) -> Found:
    if problem.classes > _LARGEST_COUNTED or not problem.balanced:
        return found
    return replace(found, automorphisms=automorphisms(found.point.logits, rtol=1e-5))


def _collapse_loss(problem: Problem) -> float | None:
    """None where collapse does not exist or does not fit the width."""
    try:
        known = collapse(problem)
    except UndefinedError:
        return None
    return known.loss if known.rank <= problem.d else None
