"""What a trained deep head is: its loss against deep neural collapse, its rank, the structure it resembles."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from deepcollapse.errors import InvalidInputError
from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.networks.collapse_width import collapse_rank, too_narrow
from deepcollapse.networks.resemblance import resembled_structure
from deepcollapse.ufm import (
    Factors,
    Problem,
    Reading,
    collapse,
    factor_shapes,
    layer_distances,
    read_factors,
    regularised_loss,
    structures,
)

__all__ = ["HeadKind", "HeadVerdict", "Ranks", "finite_loss", "head_verdict", "measure_head"]

HeadKind = Literal["dnc", "low rank", "intermediate", "zero"]

PAPER_TOLERANCE = 1e-6
SCALE_FREE_TOLERANCE = 1e-3
BALANCE_TOLERANCE = 0.1  # random weights are at 0.7 and above, trained ones fall to 1e-4 and below
SPREAD_TOLERANCE = 0.25  # a sixteenth of the squared norm within classes

Entries = Shaped[np.ndarray, "..."] | Shaped[torch.Tensor, "..."]

_ROUNDING = 1e-12  # relative, of losses
_UNBALANCED = (
    "samples: expected classes of one size, for which the loss of collapse is a bound, but found others; the loss "
    "given is that of the one-layer frame at its best scale, something to compare with, but no bound"
)
_COLLAPSE = {"ce": "simplex", "mse": "orthogonal-frame"}


@dataclass(frozen=True, slots=True)
class Ranks:
    """Number of singular values of the class-mean logits, by two rules.

    Attributes:
        paper: above 1e-6, as in arXiv 2410.23169; unused ones sink below it only long after the rank is decided.
        scale_free: above 1e-3 times the largest.
    """

    paper: int
    scale_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadVerdict:
    """A deep head and the features that enter it, held against the theory of the linear model at the same decays.

    The kind is the first of these that holds:

    - "zero": the structure is "zero";
    - "intermediate": ``weight_imbalance`` is above a tenth, so the weights are at no critical point at these decays,
      whatever the logits look like;
    - "low rank": the scale-free rank is below that of collapse (K - 1, under the squared error K; where classes differ
      in size, that of the one-layer frame);
    - "dnc": the structure is that of collapse, ``within_class`` is at most a quarter, and of a ReLU head every layer is
      at most a quarter from collapse (``ufm.layer_distances``), before and after the activation;
    - "intermediate": everything else.

    Attributes:
        kind: "dnc", "low rank", "intermediate" or "zero".
        sentence: kind, rank, bound and structure in words.
        objective: F at the factors.
        dnc_bound: least loss of deep neural collapse in the linear model; it bounds that of ReLU heads from below too.
            Where classes differ in size this is the loss of the one-layer frame at its best scale: something to compare
            with, not a bound (``undefined`` says so). None where the head is too narrow to
            collapse (``too_narrow``): collapse is then out of its reach at any loss, and being below that of wider
            heads would say what its width can do, not what training prefers.
        below_bound: whether the objective is below it: then the network is better than any collapsed one. Above it
            little follows, because features may be unable to collapse. None without a bound.
        undefined: why there is no bound; None where there is one.
        best_structure: name and
        best_structure_loss: loss of the best named structure of the linear model at the head's width; points without a
            name can be lower.
        logits: class-mean logits, K x K.
        singular_values: of the class-mean logits, non-increasing.
        ranks: how many of them count.
        factor_singular_values: of H_1, W_1, ..., W_L, each non-increasing.
        structure: the named structure that the class-mean logits are, up to scale, class permutation and a tenth of
            their norm; None if there is none.
        within_class: ||Z - class means|| / ||Z||.
        imbalance: relative distance of adjacent factors from the balancedness of critical points of the linear model.
        weight_imbalance: the largest ||decay_{l+1} W_{l+1}^T W_{l+1} - decay_l W_l W_l^T|| over the weights alone,
            relative to the largest term; 0 for a single one. Features are left out, because a backbone need not be able
            to balance them. Of a ReLU head the diagonals alone are compared, neuron by neuron: the rest does not vanish
            at its critical points.
    """

    kind: HeadKind
    sentence: str
    objective: float
    dnc_bound: float | None
    below_bound: bool | None
    undefined: str | None
    best_structure: str
    best_structure_loss: float
    logits: Float[np.ndarray, "K K"]
    singular_values: Float[np.ndarray, " K"]
    ranks: Ranks
    factor_singular_values: tuple[Float[np.ndarray, " _"], ...]
    structure: str | None
    within_class: float
    imbalance: float
    weight_imbalance: float

    def as_json(self) -> dict[str, object]:
        """The attributes by name, arrays as lists, ranks as {"paper": ..., "scale_free": ...}."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {
            "logits": self.logits.tolist(),
            "singular_values": self.singular_values.tolist(),
            "ranks": {"paper": self.ranks.paper, "scale_free": self.ranks.scale_free},
            "factor_singular_values": [values.tolist() for values in self.factor_singular_values],
        }


def measure_head(
    features: Entries,
    labels: Entries,
    weights: Sequence[Entries],
    *,
    decay: Sequence[float],
    activation: str = "linear",
) -> HeadVerdict:
    """The verdict on the last L layers of any network, from their weights and the features that enter them.

    The layers have no bias. Hidden widths may differ: narrower factors are filled with zeros, which changes neither
    logits nor norms. O(N d^2) operations, 3 N d numbers of memory.

    Args:
        features: N x d, one row per sample in any order; arrays or torch tensors of any device and dtype.
        labels: N whole numbers 0 .. K - 1; every class has samples, not necessarily equally many.
        weights: W_1, ..., W_L as in ``torch.nn.Linear``: W_1 has d columns, W_L has K rows.
        decay: (lambda_H, lambda_W), or one number per factor H_1, W_1, ..., W_L. lambda_H is that of the features
            summed over all samples: (lambda_H / 2) sum_i ||h_i||^2 beside the mean loss.
        activation: of the head, "linear" or "relu".

    Raises:
        InvalidInputError: shapes that do not chain, labels out of range or not whole, a class without samples, entries
            that are not finite, a decay that is not positive.
        UndefinedError: at these decays deep neural collapse does not exist.

    >>> simplex = np.eye(3) - 1 / 3
    >>> found = measure_head(3 * simplex, np.arange(3), [3 * simplex], decay=(0.01, 0.01))
    >>> found.kind, found.structure, found.ranks.scale_free
    ('dnc', 'simplex', 2)
    """
    hidden = _matrix("features", features)
    layers = [_matrix(f"weights[{index}]", weight) for index, weight in enumerate(weights)]
    _expect_chain(hidden, layers)
    if activation not in ("linear", "relu"):
        raise InvalidInputError(
            f'activation: expected "linear" or "relu", but found {activation!r}; other heads have no bound'
        )
    classes = len(layers[-1])
    order, samples = _class_order(labels, classes=classes, total=len(hidden))
    width = max(matrix.shape[1] for matrix in (hidden, *layers))
    problem = Problem(
        classes=classes,
        layers=len(layers),
        samples=samples,
        width=width,
        decay=_decays(decay, layers=len(layers)),
        activation=activation,
    )
    given = (hidden[order].T, *layers)
    factors = tuple(_filled(matrix, shape) for matrix, shape in zip(given, factor_shapes(problem), strict=True))
    return _verdict(factors, problem, given=given)


def head_verdict(factors: Factors, problem: Problem) -> HeadVerdict:
    """Read a head in float64 and compare it with collapse and the named structures.

    Args:
        factors: features H_1 and head weights W_1, ..., W_L.
        problem: sizes and decays they were trained with; its activation is the head's.

    Raises:
        InvalidInputError: factors that do not fit the problem.
        UndefinedError: at these decays deep neural collapse does not exist.
    """
    return _verdict(factors, problem, given=factors)


def _verdict(factors: Factors, problem: Problem, *, given: Factors) -> HeadVerdict:
    """``given`` are the factors before they were filled with zeros."""
    linear = problem.replace(activation="linear")
    loss = finite_loss(factors, problem)
    reading = read_factors(factors, problem)
    narrow = too_narrow(problem, widths=tuple(weight.shape[1] for weight in given[1:]))
    collapsed = None if narrow else collapse(linear)
    bound, full = (None, collapse_rank(problem)) if collapsed is None else (collapsed.loss, collapsed.rank)
    undefined = narrow or (None if problem.balanced else _UNBALANCED)
    narrowest = min(len(given[0]), *(weight.shape[1] for weight in given[1:]))
    known = tuple(candidate for candidate in structures(linear) if candidate.rank <= narrowest)
    values = np.linalg.svd(reading.logits, compute_uv=False)
    ranks = Ranks(int((values > PAPER_TOLERANCE).sum()), numerical_rank(values, rtol=SCALE_FREE_TOLERANCE))
    structure = resembled_structure(reading.logits, known)
    weight_imbalance = _weight_imbalance(factors[1:], problem)
    kind: HeadKind = "intermediate"
    if structure == "zero":
        kind = "zero"
    elif weight_imbalance <= BALANCE_TOLERANCE:
        if ranks.scale_free < full:
            kind = "low rank"
        elif bound is not None and structure == _collapse_name(problem) and _collapsed(factors, problem, reading):
            kind = "dnc"
    return HeadVerdict(
        kind=kind,
        sentence=f"{_what(kind, ranks.scale_free, full)} {_against(loss, bound, problem)} {_shape(structure)}",
        objective=loss,
        dnc_bound=bound,
        below_bound=None if bound is None or undefined else loss < bound * (1.0 - _ROUNDING),
        undefined=undefined,
        best_structure=known[0].name,
        best_structure_loss=known[0].loss,
        logits=reading.logits,
        singular_values=values,
        ranks=ranks,
        factor_singular_values=tuple(np.linalg.svd(factor, compute_uv=False) for factor in given),
        structure=structure,
        within_class=reading.within_class,
        imbalance=reading.imbalance,
        weight_imbalance=weight_imbalance,
    )


def _collapsed(factors: Factors, problem: Problem, reading: Reading) -> bool:
    """Whether samples of a class have about one logit vector, and a ReLU head's layers are collapsed, too."""
    follows = problem.activation == "linear" or not problem.balanced
    layers = follows or layer_distances(factors, problem).within(SPREAD_TOLERANCE)
    return layers and reading.within_class <= SPREAD_TOLERANCE


def _collapse_name(problem: Problem) -> str:
    return _COLLAPSE[problem.loss] if problem.balanced else "one-layer-frame"


def finite_loss(factors: Factors, problem: Problem) -> float:
    """F at the factors; InvalidInputError where it is beyond float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        loss = regularised_loss(factors, problem)
    if not np.isfinite(loss):
        raise InvalidInputError(
            f"factors: expected logits and norms within float64, but found entries up to "
            f"{max(np.abs(factor).max() for factor in factors):.3g}; rescale them"
        )
    return loss


def _weight_imbalance(weights: Factors, problem: Problem) -> float:
    residual, size = 0.0, 0.0
    decays = problem.factor_decays[1:]
    for (before, after), (decay, following) in zip(pairwise(weights), pairwise(decays), strict=True):
        left, right = decay * before @ before.T, following * after.T @ after
        if problem.activation == "relu":
            left, right = np.diag(left), np.diag(right)
        residual = max(residual, float(np.linalg.norm(right - left)))
        size = max(size, float(np.linalg.norm(left)), float(np.linalg.norm(right)))
    return residual / size if size > 0 else 0.0


def _what(kind: HeadKind, rank: int, full: int) -> str:
    has = f"where collapse has {full}"
    counted = f"{rank} singular value{'s' * (rank != 1)} of the class-mean logits, {has}"
    return {
        "zero": "The logits are zero, or next to it.",
        "dnc": f"Deep neural collapse: {counted}.",
        "low rank": f"A low-rank solution: {counted}.",
        "intermediate": f"Neither collapse nor a low-rank solution: {counted}.",
    }[kind]


def _against(loss: float, bound: float | None, problem: Problem) -> str:
    if bound is None:
        return f"Its objective is {loss:.6g}; no bound, because the head is too narrow to collapse."
    share = loss / bound - 1.0
    side = f"is {abs(share):.2%} {'above' if share > 0 else 'below'}" if share < 1 else f"is {share + 1:.3g} times"
    side = "equals" if abs(share) <= _ROUNDING else side
    what = (
        "the bound"
        if problem.balanced
        else "the one-layer frame at its best scale, which under class imbalance is no bound:"
    )
    return f"Its objective {loss:.6g} {side} {what} {bound:.6g}."


def _shape(structure: str | None) -> str:
    return "No named structure is near." if structure is None else f"The nearest named structure is {structure}."


def _matrix(name: str, entries: Entries) -> Float[np.ndarray, "_ _"]:
    if isinstance(entries, torch.Tensor):
        entries = entries.detach().cpu()
        entries = (entries.double() if entries.is_floating_point() else entries).numpy()
    array = np.asarray(entries)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"{name}: expected a matrix of real numbers that is not empty, but found {array.dtype} of shape "
            f"{array.shape}; flatten each sample to one row"
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise InvalidInputError(
            f"{name}: expected finite entries, but found {len(bad)} that are NaN or infinite, the first at "
            f"{tuple(bad[0].tolist())}; remove them"
        )
    return array.astype(np.float64)


def _expect_chain(features: Float[np.ndarray, "N d"], weights: list[Float[np.ndarray, "_ _"]]) -> None:
    if not weights:
        raise InvalidInputError("weights: expected at least one matrix, but found none; pass W_1, ..., W_L")
    for index, (before, weight) in enumerate(zip((features.shape[1], *map(len, weights)), weights, strict=False)):
        if weight.shape[1] != before:
            raise InvalidInputError(
                f"weights[{index}]: expected {before} columns, the width of what enters it, but found shape "
                f"{weight.shape}; order the weights from the features to the logits, as torch.nn.Linear keeps them"
            )


def _class_order(labels: Entries, *, classes: int, total: int) -> tuple[Int[np.ndarray, " N"], tuple[int, ...]]:
    array = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if array.shape != (total,) or array.dtype.kind not in "iu":
        raise InvalidInputError(
            f"labels: expected {total} whole numbers, one per row of the features, but found {array.dtype} of shape "
            f"{array.shape}; pass class indices"
        )
    if int(array.min()) < 0 or int(array.max()) >= classes:
        raise InvalidInputError(
            f"labels: expected 0 to {classes - 1}, one class per row of the last weight, but found {array.min()} to "
            f"{array.max()}; relabel"
        )
    counts = np.bincount(array.astype(np.int64), minlength=classes)
    if not counts.all():
        raise InvalidInputError(
            f"labels: expected samples of all {classes} classes, but found none of "
            f"{np.flatnonzero(counts == 0).tolist()}; add samples, or drop these rows of the last weight and relabel"
        )
    samples = tuple(counts.tolist())
    return np.argsort(array, kind="stable"), samples


def _decays(decay: Sequence[float], *, layers: int) -> tuple[float, ...]:
    values = tuple(map(float, decay))
    if len(values) not in (2, layers + 1):
        raise InvalidInputError(
            f"decay: expected 2 numbers (features, weights) or {layers + 1} (H_1, W_1, ..., W_{layers}), but found "
            f"{len(values)}; give one of the two"
        )
    return values if len(values) == layers + 1 else (values[0], *(values[1],) * layers)


def _filled(matrix: Float[np.ndarray, "_ _"], shape: tuple[int, int]) -> Float[np.ndarray, "_ _"]:
    if matrix.shape == shape:
        return matrix
    return np.pad(matrix, [(0, full - size) for size, full in zip(matrix.shape, shape, strict=True)])
