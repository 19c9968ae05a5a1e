"""The objective in the logits against the factors it stands for, and against naive definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import (
    Problem,
    balanced_factors,
    factor_shapes,
    gradient,
    logits_objective,
    loss_gradient,
    mean_loss,
    regularised_loss,
    schatten_penalty,
)
from deepcollapse.ufm.losses import column_hessians

problems = st.builds(
    Problem,
    classes=st.integers(2, 5),
    layers=st.integers(1, 4),
    samples=st.integers(1, 3),
    decay=st.floats(1e-6, 1.0),
    loss=st.sampled_from(["ce", "mse"]),
)
seeds = st.integers(0, 2**32 - 1)


def drawn_logits(problem, seed, *, size=3.0):
    return size * np.random.default_rng(seed).standard_normal((problem.classes, problem.classes))


def naive_loss(logits, labels, kind):
    """The mean over columns, written out."""
    total = 0.0
    for column, label in zip(logits.T, labels, strict=True):
        if kind == "ce":
            total -= np.log(np.exp(column[label]) / np.exp(column).sum())
        else:
            total += 0.5 * ((column - np.eye(len(column))[label]) ** 2).sum()
    return total / len(labels)


@given(problems, seeds)
def test_mean_loss_equals_its_definition(problem, seed):
    logits = np.random.default_rng(seed).standard_normal((problem.classes, problem.total_samples))
    weights = np.full(problem.total_samples, 1 / problem.total_samples)
    found = mean_loss(logits, problem.labels, weights, kind=problem.loss)
    assert found == pytest.approx(naive_loss(logits, problem.labels, problem.loss), rel=1e-12)


@given(problems, seeds)
def test_loss_derivatives_equal_finite_differences(problem, seed):
    logits, labels = drawn_logits(problem, seed, size=1.0), np.arange(problem.classes)
    weights, step = problem.class_weights, 1e-5
    slope = loss_gradient(logits, labels, weights, kind=problem.loss)
    hessians = column_hessians(logits, weights, kind=problem.loss)
    for i, j in np.ndindex(logits.shape):
        shift = np.zeros_like(logits)
        shift[i, j] = step
        ahead, behind = logits + shift, logits - shift
        values = [mean_loss(z, labels, weights, kind=problem.loss) for z in (ahead, behind)]
        assert slope[i, j] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-8)
        slopes = [loss_gradient(z, labels, weights, kind=problem.loss) for z in (ahead, behind)]
        np.testing.assert_allclose(hessians[j, i], (slopes[0] - slopes[1])[:, j] / (2 * step), atol=1e-8)


@given(problems, seeds)
def test_factors_cost_what_the_logits_say(problem, seed):
    logits, generator = drawn_logits(problem, seed), np.random.default_rng(seed)
    wide = problem.replace(width=problem.classes + 3)
    factors = balanced_factors(logits, wide, generator)
    assert regularised_loss(factors, wide) == pytest.approx(logits_objective(logits, problem), rel=1e-11)


@given(problems, seeds)
def test_no_factorisation_is_cheaper(problem, seed):
    """Moving along the gauge group (A_{l+1} X^-1, X A_l) keeps the logits and never lowers the loss."""
    logits, generator = drawn_logits(problem, seed), np.random.default_rng(seed)
    factors = list(balanced_factors(logits, problem, generator))
    for index in range(problem.layers):
        change = np.eye(problem.d) + 0.3 * generator.standard_normal((problem.d,) * 2) / np.sqrt(problem.d)
        factors[index] = change @ factors[index]
        factors[index + 1] = factors[index + 1] @ np.linalg.inv(change)
    least = logits_objective(logits, problem)
    assert regularised_loss(tuple(factors), problem) >= least * (1 - 1e-9)


@pytest.mark.parametrize(("layers", "decay"), [(1, 0.3), (2, 0.1), (3, (0.1, 0.4, 0.2, 0.05))])
def test_penalty_is_the_minimum_over_factorisations_found_numerically(layers, decay):
    """Minimise the decay cost plus a stiff squared distance to fixed logits, extrapolating the stiffness away."""
    problem = Problem(classes=3, layers=layers, decay=decay, loss="mse", width=3)
    target = drawn_logits(problem, 5, size=1.0)
    shapes = factor_shapes(problem)

    def cost(vector, stiffness):
        parts = np.split(vector, np.cumsum([a * b for a, b in shapes])[:-1])
        factors = [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]
        product = factors[0]
        for weight in factors[1:]:
            product = weight @ product
        decays = sum(0.5 * w * (f**2).sum() for w, f in zip(problem.factor_decays, factors, strict=True))
        return decays + 0.5 * stiffness * ((product - target) ** 2).sum()

    def least(stiffness):
        start = np.concatenate([f.ravel() for f in balanced_factors(target, problem, np.random.default_rng(1))])
        start = start + 0.2 * np.random.default_rng(2).standard_normal(start.size)
        return minimize(cost, start, args=(stiffness,), method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).fun

    soft, hard = least(200.0), least(400.0)
    expected = schatten_penalty(np.linalg.svd(target, compute_uv=False), problem)
    assert 2 * hard - soft == pytest.approx(expected, rel=1e-4)  # the defect is O(1 / stiffness^2) after extrapolation


@given(problems, seeds)
def test_permuting_classes_changes_nothing(problem, seed):
    logits = drawn_logits(problem, seed)
    order = np.random.default_rng(seed).permutation(problem.classes)
    permuted = logits_objective(logits[np.ix_(order, order)], problem)
    assert permuted == pytest.approx(logits_objective(logits, problem), rel=1e-12)


@given(seeds, st.permutations(range(4)))
def test_permuting_classes_permutes_unequal_samples_too(seed, order):
    order = np.array(order)
    problem = Problem(classes=4, layers=2, samples=(1, 2, 3, 7))
    moved = problem.replace(samples=tuple(np.array(problem.class_samples)[order].tolist()))
    logits = drawn_logits(problem, seed)
    assert logits_objective(logits[np.ix_(order, order)], moved) == pytest.approx(
        logits_objective(logits, problem), rel=1e-12
    )


@given(problems, seeds)
def test_only_the_geometric_mean_of_the_decays_matters(problem, seed):
    logits, generator = drawn_logits(problem, seed), np.random.default_rng(seed)
    factors = np.exp(generator.standard_normal(problem.factors))
    factors /= np.prod(factors) ** (1 / problem.factors)
    uneven = problem.replace(decay=tuple((factors * problem.mean_decay).tolist()))
    assert logits_objective(logits, uneven) == pytest.approx(logits_objective(logits, problem), rel=1e-10)
    cost = regularised_loss(balanced_factors(logits, uneven, generator), uneven)
    assert cost == pytest.approx(logits_objective(logits, problem), rel=1e-10)


@given(problems, seeds)
def test_sum_and_mean_conventions(problem, seed):
    """Sum over samples with decay N lambda is N times the mean with decay lambda."""
    logits, total = drawn_logits(problem, seed), problem.total_samples
    values = np.linalg.svd(np.repeat(logits, problem.samples, axis=1), compute_uv=False)
    values = values[values > 1e-12 * values[0]]
    summed = total * naive_loss(np.repeat(logits, problem.samples, axis=1), problem.labels, problem.loss)
    summed += float(schatten_penalty(values, problem.replace(decay=total * problem.mean_decay)))
    assert summed == pytest.approx(total * logits_objective(logits, problem), rel=1e-10)


@given(problems, st.sampled_from(["linear", "relu"]), seeds)
def test_gradient_equals_finite_differences(problem, activation, seed):
    problem, generator = problem.replace(activation=activation, width=3), np.random.default_rng(seed)
    factors = tuple(generator.standard_normal(shape) for shape in factor_shapes(problem))
    direction = tuple(generator.standard_normal(f.shape) for f in factors)
    step = 1e-6
    ahead, behind = (
        regularised_loss(tuple(f + sign * step * v for f, v in zip(factors, direction, strict=True)), problem)
        for sign in (1, -1)
    )
    slopes = gradient(factors, problem)
    along = sum((g * v).sum() for g, v in zip(slopes, direction, strict=True))
    size = np.sqrt(sum((g**2).sum() for g in slopes)) + abs(ahead)
    assert along == pytest.approx((ahead - behind) / (2 * step), abs=1e-5 * size)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.zeros((3, 3)), r"logits: expected shape \(4, 4\), one column per class, but found \(3, 3\)"),
        (np.full((4, 4), np.nan), r"logits: expected finite entries, but found nan at \(0, 0\)"),
    ],
)
def test_bad_logits_are_refused(logits, message):
    with pytest.raises(InvalidInputError, match=message):
        logits_objective(logits, Problem(classes=4, layers=2))


def test_bad_factors_are_refused():
    problem = Problem(classes=2, layers=2, width=3)
    good = tuple(np.zeros(shape) for shape in factor_shapes(problem))
    with pytest.raises(InvalidInputError, match=r"factors: expected shapes .*check width, layers and samples"):
        regularised_loss(good[:-1], problem)
    with pytest.raises(InvalidInputError, match=r"factors: expected finite entries, but found NaN or infinity in fac"):
        regularised_loss((good[0], good[1], np.full_like(good[2], np.inf)), problem)
