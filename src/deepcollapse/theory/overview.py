"""Everything the theory says about one problem, in one object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepcollapse.curvature import CollapseStability, collapse_stability
from deepcollapse.errors import UndefinedError
from deepcollapse.theory.baseline import baseline
from deepcollapse.theory.certificate import Certificate, outside_model, plain
from deepcollapse.theory.imbalance import descended, imbalance
from deepcollapse.theory.known import known_points, lowest_rival
from deepcollapse.theory.rigorous import Refutation, refutation
from deepcollapse.theory.t1 import t1
from deepcollapse.theory.t2 import t2
from deepcollapse.theory.t3 import t3
from deepcollapse.theory.t4 import t4
from deepcollapse.theory.t5 import Counts, dimension_counts, t5
from deepcollapse.theory.t6 import t6
from deepcollapse.theory.t7 import t7
from deepcollapse.ufm import Problem, Structure, collapse
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.relu_networks import ReluNetwork, relu_networks
from deepcollapse.ufm.structures import orthogonal_frame, simplex, zero

__all__ = ["THEOREMS", "Collapse", "Overview", "Point", "overview", "points"]

THEOREMS = (t1, t2, t3, t4, t5, t6, t7)


@dataclass(frozen=True, slots=True)
class Collapse:
    """Deep neural collapse of a problem; for ReLU the linear one, a lower bound of its own.

    Under class imbalance it is the one-layer frame at its best scale, for L >= 2 in general no critical point.

    Attributes:
        point: at the minimum along its ray; None where it does not exist or does not fit the width.
        rank: K - 1, for the squared error K; under class imbalance it falls as the decay rises.
        decay_max: largest (mean) decay at which it exists along its ray; None under class imbalance.
        stability: where it has no negative curvature; None where no closed form is known.
    """

    point: Structure | None
    rank: int
    decay_max: float | None
    stability: CollapseStability | None

    def as_json(self) -> dict[str, object]:
        """The dictionary of the command line."""
        point, stability = self.point, self.stability
        return {
            "exists": point is not None,
            "critical": None if point is None else point.critical,
            "scale": None if point is None else point.scales[0],
            "loss": None if point is None else point.loss,
            "rank": self.rank,
            "decay_max": self.decay_max,
            "stable": None if point is None or stability is None else stability.stable,
            "stable_scale_min": None if stability is None else stability.scale_min,
            "stable_decay_max": None if stability is None else stability.decay_max,
        }


@dataclass(frozen=True, slots=True)
class Point:
    """A known point of the landscape as a row of a table: a structure, or for ReLU an explicit network.

    Attributes:
        origin: decay and rank of the atlas entry it was carried from; None for a closed form.
    """

    name: str
    rank: int
    scale: float | tuple[float, ...]
    loss: float
    singular_values: tuple[float, ...]
    critical: bool
    origin: Mapping[str, float] | None = None

    def as_json(self) -> dict[str, object]:
        """The dictionary of the command line."""
        names = ("name", "rank", "scale", "loss", "singular_values", "critical", "origin")
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True)
class Overview:
    """What ``overview`` found.

    Attributes:
        problem: the model.
        dnc: deep neural collapse.
        points: known points by increasing loss.
        theorems: certificates by name, T1 to T7.
        extra: certificates "baseline" (L = 1) and "imbalance" where they apply.
        counts: dimensions of the solution sets.
        refutation: the rigorous certificate, if asked for.
        notes: what to know before reading the numbers.
    """

    problem: Problem
    dnc: Collapse
    points: tuple[Point, ...]
    theorems: Mapping[str, Certificate]
    extra: Mapping[str, Certificate]
    counts: Counts
    refutation: Refutation | None
    notes: tuple[str, ...]

    @property
    def best(self) -> str:
        """Name of the lowest point known."""
        return self.points[0].name

    def as_json(self) -> dict[str, object]:
        """The dictionary the command line prints."""
        found: dict[str, object] = {
            "problem": _problem_json(self.problem),
            "dnc": self.dnc.as_json(),
            "structures": [point.as_json() for point in self.points],
            "best": self.best,
            "theorems": {name: certificate.as_json() for name, certificate in self.theorems.items()},
            "dimension": self.counts.as_json(),
        }
        found |= {name: certificate.as_json() for name, certificate in self.extra.items()}
        if self.refutation is not None:
            found["certificate"] = self.refutation.as_json()
        return found | {"notes": list(self.notes)}


def overview(problem: Problem, *, rigorous: bool = False) -> Overview:
    """Collapse, all known points, the theorems, the dimensions and, on request, the rigorous certificate.

    Nothing here raises because collapse does not exist at this decay or does not fit the width: the entries say so. For
    ReLU the points are explicit networks, upper bounds of the least loss, and collapse is the linear one.

    Args:
        problem: any.
        rigorous: add the certificate in interval arithmetic.

    >>> found = overview(Problem(classes=10, layers=2, samples=5, width=70))
    >>> found.best, found.dnc.as_json()["exists"], found.theorems["T1"].holds
    ('paired', True, True)
    """
    dnc, known = _dnc(problem), points(problem)
    extra = {"baseline": baseline(problem), "imbalance": imbalance(problem)}
    counts = Counts(None, None, None, None)
    if not outside_model(problem):
        counts = dimension_counts(problem, lowest_rival(problem))
        counts = counts if dnc.point is not None else replace(counts, dnc=None)
    return Overview(
        problem=problem,
        dnc=dnc,
        points=known,
        theorems={f"T{number}": theorem(problem) for number, theorem in enumerate(THEOREMS, start=1)},
        extra={name: certificate for name, certificate in extra.items() if certificate.holds is not None},
        counts=counts,
        refutation=refutation(problem) if rigorous else None,
        notes=_notes(problem, dnc, points=known),
    )


def _dnc(problem: Problem) -> Collapse:
    linear = problem.replace(activation="linear")
    pattern = (simplex if problem.loss == "ce" else orthogonal_frame)(linear)
    try:
        point = collapse(linear)
    except UndefinedError:
        point = None
    rank = pattern.blocks[0].rank if point is None or problem.balanced else point.rank
    stable = not outside_model(linear)
    return Collapse(
        point=None if rank > problem.d else point,
        rank=rank,
        decay_max=Ray(pattern.blocks[0], linear).fold()[1] if problem.balanced else None,
        stability=collapse_stability(linear) if stable else None,
    )


def points(problem: Problem) -> tuple[Point, ...]:
    """The known points of a problem by increasing loss, Z = 0 included; for ReLU explicit networks.

    Where classes differ in size no structure is a critical point of more than one layer, so the critical points that
    descent from them leads to are among them ("descended from paired").

    >>> points(Problem(classes=10, layers=2, samples=5))[0].name
    'paired'
    """
    if problem.activation == "linear":
        known = known_points(problem)
        if not problem.balanced and problem.classes >= 4 and not outside_model(problem, any_sizes=True):
            known = sorted((*known, *descended(problem)), key=lambda point: (point.loss, point.rank))
        return tuple(_point(point) for point in known)
    networks = [_network(network) for network in relu_networks(problem)] if problem.balanced else []
    return tuple(sorted((*networks, _point(zero(problem))), key=lambda point: (point.loss, point.rank)))


def _point(point: Structure) -> Point:
    scale = point.scales[0] if len(point.scales) == 1 else point.scales
    values = tuple(map(float, point.singular_values))
    origin = None if point.origin is None else {"decay": point.origin[0], "rank": point.origin[1]}
    return Point(point.name, point.rank, scale, point.loss, values, point.critical, origin)


def _network(network: ReluNetwork) -> Point:
    values = tuple(map(float, network.singular_values))
    return Point(network.name, network.rank, network.scale, network.loss, values, critical=False)


def _problem_json(problem: Problem) -> dict[str, object]:
    names = ("classes", "layers", "samples", "decay", "loss", "activation")
    return {name: plain(getattr(problem, name)) for name in names} | {"width": problem.d}


def _notes(problem: Problem, dnc: Collapse, *, points: tuple[Point, ...]) -> tuple[str, ...]:
    notes = []
    k, d = problem.classes, problem.d
    if d < k:
        notes.append(
            f"width: expected at least K = {k} for the theorems, but found {d}; "
            f"statements about structures of rank <= {d} still hold"
            + (f", DNC of rank {d} among them" if d == dnc.rank else "")
        )
    if dnc.decay_max is not None and problem.mean_decay > dnc.decay_max:
        notes.append(
            f"decay: expected at most {dnc.decay_max:.9g} for DNC to exist, but found {problem.mean_decay:.9g}; "
            "lower the decay"
        )
    floor = zero(problem).loss
    if dnc.point is not None and dnc.point.loss > floor:
        notes.append(f"DNC has a higher loss than Z = 0, whose loss is {floor:.9g}")
    if points[0].name == "zero":
        notes.append("Z = 0 is the lowest point known at this decay; lower the decay")
    return (*notes, *_model_notes(problem))


def _model_notes(problem: Problem) -> tuple[str, ...]:
    notes = []
    if problem.activation == "relu":
        notes.append("ReLU: dnc is that of the linear model, a lower bound; structures are explicit networks")
    if problem.loss == "mse":
        notes.append("squared error: DNC is the orthogonal frame, and the theorems do not apply")
    if not problem.balanced:
        notes.append(
            "class imbalance: DNC is the one-layer frame at its best scale, and of T1 to T7 only T2 and T3 apply; "
            "see imbalance"
        )
    return tuple(notes)
