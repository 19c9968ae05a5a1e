"""All collapse metrics of one layer and its classifier at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics.between import between_class
from deepcollapse.metrics.cdnv import ClassPairs, cdnv, class_pairs
from deepcollapse.metrics.class_vectors import direction_squares
from deepcollapse.metrics.gnc2 import generalised_nc2
from deepcollapse.metrics.nc1 import nc1
from deepcollapse.metrics.nc2 import equiangularity, equinorm, etf_error
from deepcollapse.metrics.nc3 import nc3, nc3_cosines, nc3_etf, subspace_residual
from deepcollapse.metrics.quotient import variability_quotient
from deepcollapse.metrics.spectrum import Spectrum, spectrum_of
from deepcollapse.metrics.structure_match import StructureMatch, structure_distances
from deepcollapse.stats import Centre, ClassMoments

__all__ = ["CollapseMetrics", "Nc1", "Nc2", "Nc3", "Nc4", "collapse_metrics"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Nc1:
    """Variability within classes against variability between them.

    Attributes:
        papyan: tr(Sigma_W Sigma_B^+); None without the scatter matrix.
        zhu: the same divided by K.
        rank: directions of the class means that count.
        tolerance: standard deviations up to here do not.
        quotient: tr(Sigma_W) / tr(Sigma_B); None where no class has two samples.
    """

    papyan: float | None
    zhu: float | None
    rank: int
    tolerance: float
    quotient: float | None


@dataclass(frozen=True, slots=True)
class Nc2:
    """Distance from a simplex equiangular tight frame, of centred class means and of classifier rows.

    Attributes:
        equinorm_means: coefficient of variation of the norms.
        equinorm_weights: the same of the classifier's rows; None without a classifier.
        equiangular_means: mean |cos + 1 / (K - 1)|.
        equiangular_weights: the same of the classifier's rows.
        etf_error_means: distance of the normalised Gram matrix from the simplex's.
        etf_error_weights: the same of the classifier's rows.
    """

    equinorm_means: float | None
    equinorm_weights: float | None
    equiangular_means: float | None
    equiangular_weights: float | None
    etf_error_means: float | None
    etf_error_weights: float | None


@dataclass(frozen=True, slots=True)
class GeneralisedNc2:
    """Unevenness of the pairwise distances between directions, for any number of classes.

    Attributes:
        distance_means: coefficient of variation of the distances between class-mean directions.
        distance_weights: the same of the classifier's rows.
        log_means: coefficient of variation of the logarithms of these distances.
        log_weights: the same of the classifier's rows.
    """

    distance_means: float | None
    distance_weights: float | None
    log_means: float | None
    log_weights: float | None


@dataclass(frozen=True, slots=True)
class Nc3:
    """Self-duality of classifier and centred class means; None without a classifier.

    Attributes:
        papyan: || W / ||W|| - M / ||M|| ||.
        etf: distance of the normalised W M^T from the simplex's Gram matrix.
        cosines: of each class's row with its centred mean.
        subspace: share of the classifier outside the span of the centred class means.
    """

    papyan: float | None
    etf: float | None
    cosines: tuple[float, ...] | None
    subspace: float | None


@dataclass(frozen=True, slots=True)
class Nc4:
    """Agreement of the classifier with the nearest class mean.

    Attributes:
        agreement: share of samples for which the two name one class; None without samples or a classifier.
    """

    agreement: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapseMetrics:
    """One layer, and the classifier that reads it. What has no value is None, and ``warnings`` says why.

    Attributes:
        nc1: variability.
        cdnv: class-distance normalised variance.
        nc2: simplex.
        gnc2: even spread.
        nc3: self-duality.
        nc4: nearest class mean.
        spectrum: singular values of the centred class means, K x d.
        structure: what the class-mean logits resemble; None without logits.
        centre: where class means are centred.
        classes: K.
        width: d.
        samples: N.
        warnings: what has no value, and why.
    """

    nc1: Nc1
    cdnv: float | None
    nc2: Nc2
    gnc2: GeneralisedNc2
    nc3: Nc3
    nc4: Nc4
    spectrum: Spectrum
    structure: StructureMatch | None
    centre: Centre
    classes: int
    width: int
    samples: int
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Nested plain numbers, lists, names and None."""
        return {part.name: _plain(getattr(self, part.name)) for part in fields(self)}

    def scalars(self) -> dict[str, float]:
        """Every number that has a value, by a name such as "nc1/papyan"."""
        return dict(_leaves(self.as_json()))


def collapse_metrics(
    moments: ClassMoments,
    *,
    weight: Shaped[np.ndarray, "..."] | None = None,
    bias: Shaped[np.ndarray, "..."] | None = None,
    logits: Shaped[np.ndarray, "..."] | None = None,
    agreement: float | None = None,
    centre: Centre = "class",
    rtol: float = 1e-3,
) -> CollapseMetrics:
    """Every metric that follows from class moments and a classifier.

    What would be perfect by construction has no value: spread within classes of one sample (and NC4 there), NC2 of two
    class means, which always are a simplex, and what a classifier has outside of means that span every direction.

    Args:
        moments: of the features the classifier reads; every class must have samples.
        weight: classifier rows, K x d.
        bias: its biases, K; zero if left out.
        logits: class-mean logits, K x K, one column per class of the samples; W M^T + b if left out.
        agreement: share of samples for which classifier and nearest class mean agree (``nc4_agreement``), the only
            metric that needs the samples themselves; from 0 to 1.
        centre: of the class means.
        rtol: which directions of the class means count; see ``between_class``.

    Raises:
        InvalidInputError: a class without samples; weight, bias or logits of another shape or with entries that are not
            finite numbers; an agreement, centre or rtol that is none.
        UndefinedError: all class means are equal.
    """
    if agreement is not None and not 0.0 <= agreement <= 1.0:
        raise InvalidInputError(f"agreement: expected a share from 0 to 1, but found {agreement}; see nc4_agreement")
    between, means = between_class(moments, rtol=rtol, centre=centre), moments.centred_means(centre)
    weight, bias, logits = _classifier(moments, weight=weight, bias=bias, logits=logits)
    ask, root = _Asker(), float(np.sqrt(moments.classes))
    pairs = class_pairs(moments)
    twins = bool(pairs.equal.any())
    trace = ask("nc1", lambda: nc1(moments, between=between))
    quotient = ask("nc1_quotient", lambda: variability_quotient(moments, centre=centre))
    distance = ask("cdnv", lambda: cdnv(moments, pairs=pairs))
    ask.warnings += _diluted(moments, pairs, has_value=distance is not None)
    return CollapseMetrics(
        nc1=Nc1(
            papyan=trace,
            zhu=None if trace is None else trace / moments.classes,
            rank=between.rank,
            tolerance=between.tolerance,
            quotient=quotient,
        ),
        cdnv=distance,
        nc2=Nc2(**ask.both(means, weight, **_simplex_metrics(means))),
        gnc2=_gnc2(means, weight, ask, twins=twins),
        nc3=_nc3(weight, means, ask, span=between.directions),
        nc4=Nc4(
            None if agreement is None else ask("nc4", lambda: _agreement(agreement, moments, weight=weight, bias=bias))
        ),
        spectrum=spectrum_of(between.deviations * root, rtol=rtol, atol=between.tolerance * root),
        structure=None if logits is None else ask("structure", lambda: structure_distances(logits)),
        centre=centre,
        classes=moments.classes,
        width=moments.width,
        samples=moments.total,
        warnings=tuple(ask.warnings),
    )


@dataclass(slots=True)
class _Asker:
    """Evaluates metrics one after the other and collects why some have no value."""

    warnings: list[str] = field(default_factory=list)

    def __call__(self, name: str, metric: Callable[[], T]) -> T | None:
        try:
            return metric()
        except UndefinedError as error:
            self.warnings.append(f"{name}: {str(error).removeprefix(f'{name}: ')}")
            return None

    def both(
        self, means: np.ndarray, weight: np.ndarray | None, **metrics: Callable[[np.ndarray], float]
    ) -> dict[str, float | None]:
        """Each metric of the class means and of the classifier's rows, by name_means and name_weights."""
        found: dict[str, float | None] = {}
        for name, metric in metrics.items():
            found[f"{name}_means"] = self(f"{name}_means", lambda metric=metric: metric(means))
            found[f"{name}_weights"] = (
                None if weight is None else self(f"{name}_weights", lambda metric=metric: metric(weight))
            )
        return found


def _once(of: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The function, evaluated once for each array that it is called with again and again."""
    found: dict[int, np.ndarray] = {}

    def remembered(vectors: np.ndarray) -> np.ndarray:
        if id(vectors) not in found:
            found[id(vectors)] = of(vectors)
        return found[id(vectors)]

    return remembered


def _gnc2(means: np.ndarray, weight: np.ndarray | None, ask: _Asker, *, twins: bool) -> GeneralisedNc2:
    """Both kernels; ``twins`` says that two class means are equal."""
    squares = _once(direction_squares)

    def distance(vectors: np.ndarray) -> float:
        return generalised_nc2(vectors, kernel="distance", squares=squares(vectors))

    def log(vectors: np.ndarray) -> float:
        if twins and vectors is means:
            raise UndefinedError(
                "expected class means that differ, but found equal ones, whose distance has no logarithm; take "
                'kernel="distance"'
            )
        return generalised_nc2(vectors, kernel="log", squares=squares(vectors))

    return GeneralisedNc2(**ask.both(means, weight, distance=distance, log=log))


def _nc3(weight: np.ndarray | None, means: np.ndarray, ask: _Asker, *, span: np.ndarray) -> Nc3:
    if weight is None:
        return Nc3(None, None, None, None)
    cosines = ask("nc3_cosines", lambda: nc3_cosines(weight, means))
    return Nc3(
        papyan=ask("nc3", lambda: nc3(weight, means)),
        etf=ask("nc3_etf", lambda: nc3_etf(weight, means)),
        cosines=None if cosines is None else tuple(cosines.tolist()),
        subspace=ask("nc3_subspace", lambda: _outside(weight, means, span)),
    )


def _outside(weight: np.ndarray, means: np.ndarray, span: np.ndarray) -> float:
    if len(span) == means.shape[1]:
        raise UndefinedError(
            f"expected a direction that no class mean has, but found that the means span all {len(span)}; nothing lies "
            "outside of them, measure a wider layer"
        )
    return subspace_residual(weight, means, span=span)


def _simplex_metrics(means: np.ndarray) -> dict[str, Callable[[np.ndarray], float]]:
    """NC2; two centred class means are opposite, a simplex whatever the layer does."""

    def of(metric: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
        def value(vectors: np.ndarray) -> float:
            if vectors is means and len(means) == 2:
                raise UndefinedError(
                    "expected at least 3 classes, but found 2; two centred means are always opposite, a simplex by "
                    "construction, use more classes"
                )
            return metric(vectors)

        return value

    return {"equinorm": of(equinorm), "equiangular": of(equiangularity), "etf_error": of(etf_error)}


def _agreement(agreement: float, moments: ClassMoments, *, weight: np.ndarray | None, bias: np.ndarray | None) -> float:
    """The agreement, where both deciders have something to decide."""
    moments.expect_spread()  # else each sample is the nearest class mean to itself
    if weight is not None and not (weight - weight[0]).any() and (bias is None or not (bias - bias[0]).any()):
        raise UndefinedError(
            "expected a classifier that prefers a class, but found equal rows and biases; train it, its logits are tied"
        )
    return agreement


def _diluted(moments: ClassMoments, pairs: ClassPairs, *, has_value: bool) -> Iterator[str]:
    """What single samples and equal means do to numbers that have a value nevertheless."""
    single = np.flatnonzero(moments.counts == 1)
    if 0 < single.size < moments.classes:
        yield (
            f"nc1: {single.size} of {moments.classes} classes have one sample, the first is {single[0]}; its spread is "
            "0 by construction, so nc1 and its quotient are lower than with more samples of these classes"
        )
    if has_value:
        yield from (f"cdnv: left out {reason}" for reason in pairs.left_out())


def _classifier(
    moments: ClassMoments, *, weight: np.ndarray | None, bias: np.ndarray | None, logits: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """In float64; logits from weight and bias where only these are given."""
    classes, width = moments.classes, moments.width
    if bias is not None and weight is None:
        raise InvalidInputError("bias: expected a weight beside it, but found none; pass the classifier's weight, too")
    shapes = {"weight": (weight, (classes, width)), "bias": (bias, (classes,)), "logits": (logits, (classes, classes))}
    for name, (given, shape) in shapes.items():
        _expect(name, given, shape)
    weight, bias, logits = (None if a is None else np.asarray(a, dtype=np.float64) for a in (weight, bias, logits))
    if logits is None and weight is not None:
        logits = weight @ moments.means.T + (0.0 if bias is None else bias[:, None])
    return weight, bias, logits


def _expect(name: str, given: np.ndarray | None, shape: tuple[int, ...]) -> None:
    if given is None:
        return
    if given.shape != shape:
        raise InvalidInputError(
            f"{name}: expected shape {shape}, one row per class, but found {given.shape}; transpose it, or take the "
            "classifier that reads these features"
        )
    if given.dtype.kind not in "fiu":
        raise InvalidInputError(f"{name}: expected real numbers, but found {given.dtype}; cast it to float64")
    bad = int((~np.isfinite(given)).sum())
    if bad:
        raise InvalidInputError(f"{name}: expected finite entries, but found {bad} that are not; train on, or drop it")


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{name}" if path else str(name))
    elif isinstance(value, (int, float)):
        yield path, float(value)
