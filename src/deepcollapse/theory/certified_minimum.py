"""A proven lower bound of the global minimum of the regularised loss, by branch-and-bound over a quadratic form."""

import heapq
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory.enclosure import evaluated
from deepcollapse.theory.entropy_bound import BoxBound, EntropyBound
from deepcollapse.theory.known import known_points
from deepcollapse.theory.weight_box import WeightBox
from deepcollapse.ufm import Problem, Structure, balanced_factors

__all__ = ["CertifiedMinimum", "Leaf", "certified_minimum", "first_box"]

CLASSES_MAX = 5
"""Most classes for which a search is begun: the form has K (K - 1) / 2 weights."""

_BATCH = 64  # boxes halved at a time, so that processes have something to do


@dataclass(frozen=True, slots=True)
class Leaf:
    """A box that needs no further division, with what proves its bound.

    Attributes:
        path: of the box.
        wrong: off-diagonal probabilities that ``EntropyBound.proven`` takes; None where the box holds no form.
    """

    path: tuple[str, ...]
    wrong: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedMinimum:
    """Where the global minimum lies.

    Attributes:
        lower_bound: proven: no point of the model costs less.
        upper_bound: proven: the explicit network of ``structure`` costs at most this much.
        structure: the lowest known point.
        wanted: the gap that was asked for.
        boxes: how many boxes the bound rests on.
    """

    lower_bound: float
    upper_bound: float
    structure: str
    wanted: float
    boxes: int

    @property
    def gap(self) -> float:
        """(upper - lower) / upper."""
        return (self.upper_bound - self.lower_bound) / self.upper_bound

    @property
    def proven(self) -> bool:
        """Whether the gap that was asked for is reached; the bounds are proven either way."""
        return self.gap <= self.wanted

    @property
    def sentence(self) -> str:
        """What is proven, in one sentence."""
        bound = f"the global minimum is at least {_rounded_down(self.lower_bound)} (proven)"
        point = (
            f"the lowest known point, {self.structure}, costs {self.upper_bound:.6g}, a gap of {100 * self.gap:.2g} %"
        )
        if self.proven:
            return f"{bound.capitalize()}; {point}."
        return f"The gap of {100 * self.wanted:.3g} % was not reached: so far, {bound}; {point}."

    def as_json(self) -> dict[str, object]:
        """The dictionary of the command line."""
        names = ("sentence", "lower_bound", "upper_bound", "gap", "wanted", "structure", "boxes", "proven")
        return {name: getattr(self, name) for name in names}


@dataclass(order=True, slots=True)
class _Open:
    """A box that may be halved; the one with the least bound comes first."""

    value: float
    number: int
    box: WeightBox
    found: BoxBound


def certified_minimum(
    problem: Problem,
    *,
    gap: float = 0.01,
    minutes: float = math.inf,
    workers: int = 1,
    known: Iterable[Leaf] = (),
    record: Callable[[Leaf], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CertifiedMinimum:
    """Prove that no point of a deep linear model costs less than a bound near the lowest known loss.

    The bound is that of ``entropy_bound``; boxes of Q are halved, the one with the least bound first, until every
    bound is within the gap of the lowest known loss. Every bound that counts is enclosed in interval arithmetic. The
    time grows fast with the classes and with 1 / gap: at K = 3 and 1 % it takes seconds, at K = 4 and 10 % minutes.

    Args:
        problem: linear, cross-entropy, equally many samples per class, at most 5 classes and at least two layers.
        gap: (upper - lower) / upper to reach, in (0, 1).
        minutes: budget of time; when it is spent, the bound so far is proven and returned.
        workers: processes, which need a main guard in scripts; 1 stays in this one.
        known: leaves of an earlier, interrupted search for the same problem; they are not looked for again.
        record: called with every leaf that is not known.
        progress: called with the boxes that are done and all there are so far.

    Raises:
        InvalidInputError: another model, too many classes, or a gap outside (0, 1).

    Source: derived, see "A proven lower bound" in docs/theory.

    >>> found = certified_minimum(Problem(classes=3, layers=2, decay=2**-6), gap=0.1)
    >>> found.proven, found.structure, found.lower_bound < found.upper_bound
    (True, 'simplex', True)
    """
    _expect_model(problem)
    if not 0 < gap < 1:
        raise InvalidInputError(f"gap: expected a share between 0 and 1, but found {gap}; 0.01 is 1 %")
    point = known_points(problem)[0]
    upper, bounds, root = _proven_loss(point, problem), _bounds(problem), first_box(problem)
    search = _Search(bounds, root, target=(1 - gap) * upper, record=record or (lambda _: None))
    with _mapped(workers) as mapped:
        lower, boxes = search.run(known, mapped=mapped, until=time.monotonic() + 60 * minutes, progress=progress)
    return CertifiedMinimum(
        lower_bound=min(lower, bounds.outside(float(root.high[0])), upper),
        upper_bound=upper,
        structure=point.name,
        wanted=gap,
        boxes=boxes,
    )


def first_box(problem: Problem) -> WeightBox:
    """The box that is divided: every form outside it costs more than the lowest known point."""
    _expect_model(problem)
    upper = _proven_loss(known_points(problem)[0], problem)
    return WeightBox.around(_bounds(problem).radius(upper), problem.classes)


def _bounds(problem: Problem) -> EntropyBound:
    return EntropyBound(problem.classes, problem.layers, problem.factor_decays, problem.class_samples[0])


@dataclass(slots=True)
class _Search:
    """The boxes of one search.

    Attributes:
        bounds: of the model.
        root: the first box.
        target: a box with a proven bound of this much is a leaf.
        record: takes leaves.
        least: of the proven bounds of all leaves.
        leaves: how many there are.
    """

    bounds: EntropyBound
    root: WeightBox
    target: float
    record: Callable[[Leaf], None]
    least: float = math.inf
    leaves: int = 0

    def run(
        self,
        known: Iterable[Leaf],
        *,
        mapped: Callable,
        until: float,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[float, int]:
        """The least proven bound of all boxes, and their number."""
        numbers = itertools.count()
        done = {leaf.path: leaf for leaf in known}
        begun = {path[:length] for path in done for length in range(len(path))}
        queue: list[_Open] = []

        def put(box: WeightBox, found: BoxBound) -> None:
            if found.value >= self.target and self._closed(Leaf(box.path, found.wrong), box):
                return
            heapq.heappush(queue, _Open(found.value, next(numbers), box, found))

        for box in self._unfinished(self.root, done, begun):
            put(box, self.bounds.bound(box))
        while queue and time.monotonic() < until:
            taken = [heapq.heappop(queue) for _ in range(min(_BATCH, len(queue)))]
            parts = [(half, entry.found.start) for entry in taken for half in self._halves(entry)]
            for (box, _), found in zip(parts, mapped(self.bounds.bound, parts), strict=True):
                put(box, found)
            if progress:
                progress(self.leaves, self.leaves + len(queue))
        for entry in queue:
            self._closed(Leaf(entry.box.path, entry.found.wrong), entry.box, last=True)
        return self.least, self.leaves

    def _halves(self, entry: _Open) -> tuple[WeightBox, WeightBox]:
        return entry.box.halves(self.bounds.axis(entry.box))

    def _closed(self, leaf: Leaf, box: WeightBox, *, last: bool = False, known: bool = False) -> bool:
        """Whether the bound of a box is proven to reach the target; at last any bound is taken."""
        proven = self.bounds.proven(box, leaf.wrong)
        if proven < self.target and not last:
            return False
        self.least, self.leaves = min(self.least, proven), self.leaves + 1
        if not known:
            self.record(leaf)
        return True

    def _unfinished(self, box: WeightBox, done: dict, begun: set) -> Iterator[WeightBox]:
        """The boxes that an earlier search left, whose leaves are proven once more."""
        leaf = done.get(box.path)
        if leaf is not None and box.path not in begun and self._closed(leaf, box, known=True):
            return
        if box.path not in begun:
            yield box
            return
        axis = next(int(path[len(box.path)][:-1]) for path in done if path[: len(box.path)] == box.path != path)
        for half in box.halves(axis):
            yield from self._unfinished(half, done, begun)


def _expect_model(problem: Problem) -> None:
    found = None
    if (problem.activation, problem.loss) != ("linear", "ce"):
        found = f"activation {problem.activation!r} and loss {problem.loss!r}; take the linear cross-entropy model"
    elif len(set(problem.class_samples)) > 1:
        found = "classes of different size; take equally many samples per class"
    elif problem.layers < 2:
        found = "one layer, where collapse is the global minimum in closed form; see `theory`"
    elif problem.classes > CLASSES_MAX:
        found = f"{problem.classes} classes; the search is for at most {CLASSES_MAX}"
    if found:
        raise InvalidInputError(f"problem: expected a deep linear model with cross-entropy, but found {found}")


def _proven_loss(point: Structure, problem: Problem) -> float:
    """Upper bound of the loss of an explicit network at the point, its features once per class."""
    features, *weights = balanced_factors(point.logits, problem.replace(width=max(1, point.rank)))
    return evaluated((features[:, :: problem.class_samples[0]], *weights), problem).loss


@contextmanager
def _mapped(workers: int) -> Iterator[Callable]:
    """A map over (box, start), in this process or in several."""
    if workers == 1:
        yield lambda function, parts: [function(*part) for part in parts]
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield lambda function, parts: pool.map(function, *zip(*parts, strict=True), chunksize=8)


def _rounded_down(value: float) -> str:
    """Six significant digits, not above the value."""
    text = f"{value:.6g}"
    return text if float(text) <= value else f"{value - abs(value) * 1e-6:.6g}"
