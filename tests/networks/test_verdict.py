"""The verdict on a head, at points of the feature model whose verdict is known."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.networks import head_verdict
from deepcollapse.networks.resemblance import resembled_structure
from deepcollapse.networks.verdict import measure_head
from deepcollapse.ufm import Problem, balanced_factors, collapse, gaussian_factors, structure, structures
from deepcollapse.ufm.relu_networks import relu_triangular

PAPER = Problem(classes=10, samples=4, layers=3, width=16, decay=(5e-3 / 4, 5e-3, 5e-3, 5e-3))


@pytest.mark.parametrize("name", ["simplex", "paired", "T5", "partition-2-2-2-4", "partition-2-8"])
def test_structures_are_recognised(name: str):
    known = structure(name, PAPER)
    order = np.random.default_rng(0).permutation(10)
    logits = known.logits[np.ix_(order, order)]
    found = head_verdict(balanced_factors(logits, PAPER, np.random.default_rng(1)), PAPER)
    assert found.structure == name
    assert found.objective == pytest.approx(known.loss, rel=1e-12)
    assert found.dnc_bound == pytest.approx(0.242197705457, abs=5e-13)
    assert found.below_bound == (name != "simplex")
    assert (found.best_structure, found.best_structure_loss) == ("T5", pytest.approx(0.184475345056, abs=1e-12))
    assert (found.ranks.paper, found.ranks.scale_free) == (known.rank, known.rank)
    np.testing.assert_allclose(found.logits, logits, rtol=0, atol=1e-12 * np.abs(logits).max())
    np.testing.assert_allclose(2 * found.singular_values[: known.rank], known.singular_values, rtol=1e-12)
    assert found.within_class < 1e-13
    assert found.imbalance < 1e-12


def test_weak_singular_values_count_by_the_paper_rule_only():
    logits = structure("paired", PAPER).logits + 1e-4 * (np.eye(10) - 0.1)
    found = head_verdict(balanced_factors(logits, PAPER), PAPER)
    assert (found.ranks.paper, found.ranks.scale_free) == (9, 5)
    assert found.structure == "paired"


@settings(max_examples=20)
@given(st.sampled_from([(4, 2), (5, 2), (7, 3), (10, 3), (10, 1)]), st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_noise_and_scale_do_not_change_the_name(sizes: tuple[int, int], seed: int, scale: float):
    problem = Problem(classes=sizes[0], layers=sizes[1])
    known = [s for s in structures(problem) if s.rank > 0]
    rng = np.random.default_rng(seed)
    chosen = known[rng.integers(len(known))]
    order = rng.permutation(problem.classes)
    noise = rng.standard_normal(chosen.logits.shape)
    noisy = chosen.logits + 0.02 * np.linalg.norm(chosen.logits) * noise / np.linalg.norm(noise)
    if scale * np.linalg.norm(chosen.logits) > 0.1 * max(np.linalg.norm(s.logits) for s in known):
        assert resembled_structure(scale * noisy[np.ix_(order, order)], tuple(known)) == chosen.name


def test_named_structures_of_ten_classes_are_further_apart_than_the_tolerance():
    known = tuple(s for s in structures(PAPER) if s.rank > 0)
    for one in known:
        others = tuple(s for s in known if s.name != one.name)
        assert resembled_structure(one.logits, others) is None


def test_other_logits_have_no_name():
    known = structures(PAPER)
    rng = np.random.default_rng(4)
    for rank in (2, 3, 5, 9):
        logits = rng.standard_normal((10, rank)) @ rng.standard_normal((rank, 10))
        assert resembled_structure(10 * logits, known) is None


def test_small_logits_are_zero():
    known = structures(PAPER)
    tiny = 1e-3 * np.random.default_rng(5).standard_normal((10, 10))
    assert resembled_structure(tiny, known) == "zero"
    factors = tuple(1e-3 * f for f in gaussian_factors(PAPER, np.random.default_rng(6)))
    found = head_verdict(factors, PAPER)
    assert (found.structure, found.below_bound) == ("zero", False)
    assert found.objective == pytest.approx(np.log(10), rel=1e-4)


def test_a_relu_head_is_held_against_the_linear_bound():
    problem = Problem(classes=10, layers=3, width=12, activation="relu")
    network = relu_triangular(problem)
    found = head_verdict(network.factors, problem)
    linear = collapse(problem.replace(activation="linear"))
    assert found.dnc_bound == pytest.approx(linear.loss, rel=1e-14)
    assert found.objective == pytest.approx(network.loss, rel=1e-12)
    assert found.below_bound
    assert found.structure == "T5"


@pytest.mark.parametrize(("tilt", "kind"), [(0.0, "dnc"), (0.8, "intermediate")])
def test_simplex_logits_of_a_relu_head_are_collapse_only_if_its_layers_are(tilt, kind):
    """W_1 maps the features to a simplex, and its rows have norm 1; they are orthogonal, or two of them are not."""
    problem = Problem(classes=4, layers=2, width=4, decay=2.0**-8, activation="relu")
    first = np.eye(4)
    first[1, :2] = tilt, np.sqrt(1.0 - tilt**2)
    found = head_verdict((3.0 * np.linalg.inv(first), first, (np.eye(4) - 0.25) / np.sqrt(0.75)), problem)
    assert (found.structure, found.kind) == ("simplex", kind)
    assert found.weight_imbalance < 1e-12


def test_without_a_bound_there_is_no_verdict():
    heavy = PAPER.replace(decay=0.2)
    with pytest.raises(UndefinedError, match=r"simplex: scale: expected a decay below .* lower the decay"):
        head_verdict(gaussian_factors(heavy, np.random.default_rng(0)), heavy)


def test_factors_must_fit():
    factors = gaussian_factors(PAPER, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match=r"factors: expected shapes"):
        head_verdict(factors[:-1], PAPER)
    with pytest.raises(InvalidInputError, match=r"factors: expected finite entries"):
        head_verdict((np.nan * factors[0], *factors[1:]), PAPER)


SIZES = st.sampled_from([(2, 1, 2), (2, 3, 1), (3, 1, 2), (4, 2, 4), (5, 3, 7), (6, 2, 8)])


@pytest.mark.parametrize("name", ["simplex", "paired", "T5", "circle", "partition-2-8"])
@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_kinds_of_the_named_structures(name: str, loss: str):
    problem = PAPER.replace(loss=loss)
    known = structure("orthogonal-frame" if (name, loss) == ("simplex", "mse") else name, problem)
    found = head_verdict(balanced_factors(known.logits, problem, np.random.default_rng(0)), problem)
    collapsed = {"ce": ("simplex", 9), "mse": ("orthogonal-frame", 10)}[loss]
    assert found.kind == ("dnc" if known.name == collapsed[0] else "low rank")
    assert found.weight_imbalance < 1e-12
    values = "1 singular value of" if known.rank == 1 else f"{known.rank} singular values of"
    assert f"{values} the class-mean logits, where collapse has {collapsed[1]}." in found.sentence
    assert found.sentence.endswith(f"The nearest named structure is {known.name}.")
    ratio = known.loss / collapse(problem).loss
    side = f"is {abs(ratio - 1):.2%} {'above' if ratio > 1 else 'below'}" if ratio < 2 else f"is {ratio:.3g} times"
    side = f"{side} the bound" if name != "simplex" else "the bound"  # up to rounding
    assert f"Its objective {known.loss:.6g} " in found.sentence
    assert f"{side} {found.dnc_bound:.6g}. " in found.sentence


@settings(max_examples=20)
@given(SIZES, st.integers(0, 2**32), st.sampled_from([1e-3, 1.0, 30.0]))
def test_singular_values_of_balanced_factors_are_shares_of_those_of_the_logits(
    sizes: tuple[int, int, int], seed: int, spread: float
):
    classes, layers, width = sizes
    rng = np.random.default_rng(seed)
    decay = tuple(1e-4 * spread ** rng.uniform(-1, 1, layers + 1))
    problem = Problem(classes=classes, layers=layers, samples=3, width=width, decay=decay)
    rank = min(classes, width)
    logits = rng.standard_normal((classes, rank)) @ rng.standard_normal((rank, classes))
    found = head_verdict(balanced_factors(logits, problem, rng), problem)
    values = np.linalg.svd(np.sqrt(3) * logits, compute_uv=False)[:rank]
    assert len(found.factor_singular_values) == layers + 1
    for own, factor_values in zip(decay, found.factor_singular_values, strict=True):
        expected = values ** (1 / (layers + 1)) * np.sqrt(problem.mean_decay / own)
        # the smallest value of the factor is the M-th root of one known to 1e-14 of the largest
        tolerance = 10 * (1e-14 * values[0] / values[-1]) * expected[0]
        np.testing.assert_allclose(factor_values[:rank], expected, rtol=0, atol=tolerance + 1e-12 * expected[0])
        assert factor_values[rank:].max(initial=0.0) <= 1e-12 * expected[0]


@settings(max_examples=20)
@given(SIZES, st.integers(0, 2**32), st.sampled_from(["linear", "relu"]))
def test_weight_imbalance_is_its_definition(sizes: tuple[int, int, int], seed: int, activation: str):
    classes, layers, width = sizes
    rng = np.random.default_rng(seed)
    decay = tuple(10.0 ** rng.uniform(-6, -3, layers + 1))
    problem = Problem(classes=classes, layers=layers, samples=2, width=width, decay=decay, activation=activation)
    factors = gaussian_factors(problem, rng)
    residuals, terms = [0.0], [0.0]
    for index in range(1, layers):
        before, after = np.zeros((width, width)), np.zeros((width, width))
        for i, j in np.ndindex(width, width):
            if activation == "linear" or i == j:
                before[i, j] = decay[index] * sum(factors[index][i, k] * factors[index][j, k] for k in range(width))
                after[i, j] = decay[index + 1] * sum(row[i] * row[j] for row in factors[index + 1])
        residuals.append(np.linalg.norm(after - before))
        terms += [np.linalg.norm(after), np.linalg.norm(before)]
    expected = max(residuals) / max(terms) if layers > 1 else 0.0
    assert head_verdict(factors, problem).weight_imbalance == pytest.approx(expected, rel=1e-10, abs=0)


def test_weights_at_no_critical_point_are_intermediate():
    for name in ("simplex", "T5"):
        hidden, *weights = balanced_factors(structure(name, PAPER).logits, PAPER, np.random.default_rng(0))
        tilted = head_verdict((hidden, 2.0 * weights[0], 0.5 * weights[1], weights[2]), PAPER)
        assert (tilted.kind, tilted.structure) == ("intermediate", name)
        assert tilted.sentence.startswith("Neither collapse nor a low-rank solution: ")
        # features need not balance
        assert head_verdict((0.5 * hidden, *weights), PAPER).kind != "intermediate"
    random = gaussian_factors(PAPER, np.random.default_rng(1), scale=2.0)
    found = head_verdict(random, PAPER)
    assert (found.kind, found.structure) == ("intermediate", None)
    assert f" is {found.objective / found.dnc_bound:.3g} times the bound 0.242198. " in found.sentence
    assert found.objective > 2 * found.dnc_bound
    assert found.sentence.endswith("No named structure is near.")


def test_full_rank_without_the_simplex_is_intermediate():
    logits = structure("T5", PAPER).logits + 0.3 * structure("simplex", PAPER).logits
    found = head_verdict(balanced_factors(logits, PAPER), PAPER)
    assert (found.kind, found.ranks.scale_free) == ("intermediate", 9)


@pytest.mark.parametrize(("share", "kind"), [(0.2, "dnc"), (0.3, "intermediate")])
def test_spread_within_classes_is_no_collapse(share: float, kind: str):
    hidden, *weights = balanced_factors(structure("simplex", PAPER).logits, PAPER)
    noise = np.tile([1.0, -1.0, 1.0, -1.0], 10) * np.repeat(hidden[:, ::4], 4, axis=1)
    # noise of the norm of the means: within / all = t / sqrt(1 + t^2)
    found = head_verdict((hidden + share / np.sqrt(1 - share**2) * noise, *weights), PAPER)
    assert found.within_class == pytest.approx(share, rel=1e-12)
    assert found.kind == kind


def test_zero_logits():
    factors = tuple(np.zeros_like(f) for f in gaussian_factors(PAPER, np.random.default_rng(0)))
    found = head_verdict(factors, PAPER)
    assert (found.kind, found.structure, found.weight_imbalance) == ("zero", "zero", 0.0)
    assert found.sentence.startswith("The logits are zero, or next to it. ")


def test_a_minimal_relu_head_is_balanced_neuron_by_neuron():
    problem = Problem(classes=10, layers=3, width=12, activation="relu")
    found = head_verdict(relu_triangular(problem).factors, problem)
    assert found.weight_imbalance < 1e-10
    assert found.imbalance > 0.1
    assert found.kind == "low rank"


@pytest.mark.parametrize(
    ("layers", "width", "activation", "loss", "message"),
    [
        (3, 9, "linear", "ce", None),
        (
            3,
            8,
            "linear",
            "ce",
            r"width: expected features of at least 9 dimensions to hold collapsed logits, .* 8; widen",
        ),
        (3, 9, "linear", "mse", r"width: expected features of at least 10 dimensions .* found 9; widen the head"),
        (3, 9, "relu", "ce", r"width: expected layers of at least 10 dimensions .* found 9; widen the head"),
        (1, 9, "relu", "ce", None),
        (3, 10, "relu", "ce", None),
    ],
)
def test_a_head_too_narrow_to_collapse_has_no_bound(
    layers: int, width: int, activation: str, loss: str, message: str | None
):
    problem = Problem(classes=10, layers=layers, width=width, activation=activation, loss=loss)
    factors = gaussian_factors(problem, np.random.default_rng(0))
    found = head_verdict(factors, problem)
    assert (found.dnc_bound is None) == (found.below_bound is None) == (message is not None)
    if message is None:
        assert found.undefined is None
        return
    assert re.match(message, found.undefined)
    assert f"Its objective is {found.objective:.6g}; no bound, because the head is too narrow to collapse." in (
        found.sentence
    )
    best = structures(problem.replace(activation="linear"))[0]
    assert (found.best_structure, found.best_structure_loss, best.rank <= width) == (best.name, best.loss, True)


def test_a_narrow_head_keeps_its_structure_whether_or_not_collapse_exists():
    narrow = PAPER.replace(width=5)
    for problem in (narrow, narrow.replace(decay=0.2)):
        paired = balanced_factors(structure("paired", PAPER).logits, narrow, np.random.default_rng(0))
        found = head_verdict(paired, problem)
        assert (found.structure, found.ranks.scale_free, found.dnc_bound) == ("paired", 5, None) or problem != narrow
        assert found.undefined
        json.dumps(found.as_json(), allow_nan=False)


@settings(max_examples=30)
@given(st.integers(2, 5), st.integers(0, 2**32))
def test_behind_a_relu_collapse_needs_a_dimension_for_every_class(classes: int, seed: int):
    simplex = np.eye(classes) - 1 / classes
    frame = np.linalg.svd(simplex)[2][: classes - 1]  # K - 1 dimensions of either sign: what a linear head can have
    rectified = np.maximum(np.random.default_rng(seed).standard_normal((classes - 1, classes)), 0)
    for hidden, reached in ((frame, True), (rectified, False), (np.eye(classes), True)):
        weight = np.linalg.lstsq(hidden.T, simplex.T, rcond=None)[0].T
        assert (np.linalg.norm(weight @ hidden - simplex) < 1e-9) == reached


def test_a_width_without_structures():
    problem = Problem(classes=3, layers=2, samples=2, width=1)
    factors = (np.array([[4.0, 4.0, 0.0, 0.0, -4.0, -4.0]]), np.array([[3.0]]), np.array([[1.0], [0.0], [-1.0]]))
    found = head_verdict(factors, problem)
    assert (found.structure, found.best_structure, found.ranks.scale_free) == (None, "zero", 1)


@settings(max_examples=20)
@given(
    SIZES,
    st.integers(0, 2**32),
    st.sampled_from(["linear", "relu"]),
    st.sampled_from([np.float64, np.float32, torch.float32, torch.bfloat16]),
)
def test_a_measured_head_is_its_problem(sizes: tuple[int, int, int], seed: int, activation: str, dtype: object):
    classes, layers, width = sizes
    rng = np.random.default_rng(seed)
    samples = tuple(rng.integers(1, 5, classes).tolist())
    problem = Problem(
        classes=classes, layers=layers, samples=samples, width=width, decay=(1e-6,) + (1e-4,) * layers
    ).replace(activation=activation)
    factors = gaussian_factors(problem, rng, scale=3.0)
    order = rng.permutation(problem.total_samples)
    features, weights, labels = factors[0].T[order], factors[1:], problem.labels[order]
    if isinstance(dtype, torch.dtype):
        features, *weights = (torch.tensor(f, requires_grad=True).to(dtype) for f in (features, *weights))
        labels = torch.tensor(labels)
        narrow = [f.detach().double().numpy() for f in (features, *weights)]
    else:
        narrow = [f.astype(dtype).astype(np.float64) for f in (features, *weights)]
        features, *weights = (f.astype(dtype) for f in (features, *weights))
    found = measure_head(features, labels, weights, decay=(1e-6, 1e-4), activation=activation)
    position = np.argsort(problem.labels[order], kind="stable")
    expected = head_verdict((narrow[0][position].T, *narrow[1:]), problem)
    assert found.objective == pytest.approx(expected.objective, rel=1e-12)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-12 * np.abs(expected.logits).max())
    assert (found.kind, found.dnc_bound) == (expected.kind, expected.dnc_bound)
    per_factor = measure_head(features, labels, weights, decay=problem.factor_decays, activation=activation)
    assert per_factor.objective == found.objective
    assert json.loads(json.dumps(found.as_json()))["ranks"]["paper"] == found.ranks.paper


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(["linear", "relu"]))
def test_hidden_widths_may_differ(seed: int, activation: str):
    rng = np.random.default_rng(seed)
    widths = tuple(rng.integers(1, 7, 3))
    labels = rng.permutation(np.repeat(np.arange(4), 3))
    features = rng.standard_normal((12, widths[0]))
    weights = [rng.standard_normal(shape) for shape in ((widths[1], widths[0]), (widths[2], widths[1]), (4, widths[2]))]
    decay = (1e-3, 1e-4, 1e-5, 1e-6)
    found = measure_head(features, labels, weights, decay=decay, activation=activation)
    loss, means = 0.0, np.zeros((4, 4))
    for row, label in zip(features, labels, strict=True):
        for index, weight in enumerate(weights):
            row = weight @ row
            row = np.maximum(row, 0) if activation == "relu" and index < 2 else row
        loss += (np.log(np.exp(row - row.max()).sum()) + row.max() - row[label]) / 12
        means[:, label] += row / 3
    loss += sum(0.5 * own * (f**2).sum() for own, f in zip(decay, (features, *weights), strict=True))
    assert found.objective == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.logits, means, rtol=0, atol=1e-12 * np.abs(means).max() + 1e-300)
    for values, factor in zip(found.factor_singular_values, (features, *weights), strict=True):
        np.testing.assert_allclose(values, np.linalg.svd(factor, compute_uv=False), rtol=0, atol=1e-12 * values[0])
    rank = structure(found.best_structure, Problem(classes=4, layers=3, decay=decay, width=6)).rank
    assert rank <= min(widths)


def test_class_imbalance_is_said():
    simplex = 6 * (np.eye(3) - 1 / 3)
    labels = np.array([0, 1, 1, 2, 2, 2])
    found = measure_head(simplex[labels], labels, [simplex], decay=(1e-4, 1e-4))
    assert found.structure == "seli"
    assert "the one-layer frame at its best scale, which under class imbalance is no bound: " in found.sentence
    assert "the bound " in measure_head(simplex, np.arange(3), [simplex], decay=(1e-4, 1e-4)).sentence


GIVEN = {
    "features": np.ones((4, 3)),
    "labels": np.array([0, 1, 0, 1]),
    "weights": [np.ones((3, 3)), np.ones((2, 3))],
    "decay": (1e-3, 1e-3),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.ones(4)}, r"features: expected a matrix of real numbers .* float64 of shape \(4,\); flatten"),
        (
            {"features": np.ones((0, 3))},
            r"features: expected a matrix .* not empty, but found float64 of shape \(0, 3\)",
        ),
        ({"features": np.full((4, 3), 1j)}, r"features: expected a matrix of real numbers .* found complex128"),
        ({"features": torch.full((4, 3), 1j)}, r"features: expected a matrix of real numbers .* found complex64"),
        (
            {"features": np.array([[1.0] * 3, [1, np.nan, 1], [1, np.inf, 1], [1] * 3])},
            r"features: expected finite entries, but found 2 that are NaN or infinite, the first at \(1, 1\); remove",
        ),
        ({"features": np.full((4, 3), 1e200)}, r"factors: expected logits and norms within float64, .* up to 1e\+200"),
        ({"weights": []}, r"weights: expected at least one matrix, but found none; pass W_1, ..., W_L"),
        ({"weights": [np.ones((2, 4))]}, r"weights\[0\]: expected 3 columns, .* but found shape \(2, 4\); order"),
        ({"weights": [np.ones((2, 3)), np.ones((3, 3))]}, r"weights\[1\]: expected 2 columns, .* shape \(3, 3\)"),
        ({"weights": [np.ones((2, 3)) * np.nan]}, r"weights\[0\]: expected finite entries, but found 6"),
        ({"weights": [np.ones((1, 3))], "labels": np.zeros(4, int)}, r"classes: expected a whole number >= 2"),
        ({"labels": np.zeros(3, int)}, r"labels: expected 4 whole numbers, .* int64 of shape \(3,\); pass class"),
        ({"labels": np.zeros(4)}, r"labels: expected 4 whole numbers, .* but found float64 of shape \(4,\)"),
        ({"labels": np.array([0, 1, 2, 1])}, r"labels: expected 0 to 1, .* but found 0 to 2; relabel"),
        ({"labels": torch.tensor([0, 1, -1, 1])}, r"labels: expected 0 to 1, .* but found -1 to 1; relabel"),
        ({"labels": np.zeros(4, int)}, r"labels: expected samples of all 2 classes, but found none of \[1\]; add"),
        (
            {"decay": (1e-3,)},
            r"decay: expected 2 numbers \(features, weights\) or 3 \(H_1, W_1, ..., W_2\), .* found 1",
        ),
        ({"decay": (1e-3, 0.0)}, r"decay: expected a finite number > 0, but found 0.0"),
        ({"activation": "gelu"}, r'activation: expected "linear" or "relu", but found \'gelu\'; other heads'),
    ],
)
def test_bad_heads(changes: dict, message: str):
    settings = GIVEN | changes
    with pytest.raises(InvalidInputError, match=message):
        measure_head(settings.pop("features"), settings.pop("labels"), settings.pop("weights"), **settings)
