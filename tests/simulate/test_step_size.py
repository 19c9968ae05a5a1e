"""Learning rates that are stable: curvatures against dense Hessians, bounds against descents on both sides of them."""

import itertools

import numpy as np
import pytest

from deepcollapse.curvature import dense_hessian, structure_spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Descent, TorchEngine, gaussian, gaussian_starts
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum
from deepcollapse.simulate.step_size import Sharpness, sharpness, stable_lr
from deepcollapse.ufm import Problem, balanced_factors, structures

SMALL = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
RELU = Problem(classes=4, layers=3, width=8, activation="relu", loss="mse")
PROBLEMS = [
    Problem(classes=2, layers=1, width=1),
    Problem(classes=3, layers=1, samples=2, width=4, loss="mse"),
    Problem(classes=4, layers=2, samples=(1, 3, 2, 1), width=6, decay=(0.01, 0.02, 0.004)),
    Problem(classes=5, layers=4, width=5),
    Problem(classes=5, layers=3, width=2, samples=4),
    RELU,
]
GRID = list(itertools.product(range(2, 7), range(1, 5), ["ce", "mse"]))
BOTH_SIDES = [(GradientDescent(), *sizes) for sizes in GRID] + [(Momentum(beta=0.5), *sizes) for sizes in GRID[::3]]


def run(problem, start, *, lr, steps, tolerance=1e-14, optimiser=None):
    rule = Descent(
        lr=lr, tolerance=tolerance, steps_max=steps, check_every=20, optimiser=optimiser or GradientDescent()
    )
    (end,) = TorchEngine().train(problem, [(0, start)], descent=rule)
    return end


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_sharpness_is_the_largest_eigenvalue(problem, scale):
    for seed in range(3):
        point = gaussian(problem, seed=seed, scale=scale)
        largest = np.linalg.eigvalsh(dense_hessian(point, problem))[-1]
        assert sharpness(point, problem) == pytest.approx(largest, rel=0.02)  # asked for one percent of residual


@pytest.mark.parametrize(("optimiser", "classes", "layers", "loss"), BOTH_SIDES)
def test_a_minimum_is_kept_below_the_bound_and_left_above(optimiser, classes, layers, loss):
    problem = Problem(classes=classes, layers=layers, width=classes + 1, decay=2.0**-7, loss=loss)
    known = [(found, structure_spectrum(found, problem)) for found in structures(problem) if found.critical]
    minima = [pair for pair in known if pair[0].rank and pair[1].verdict == "Morse-Bott minimum"]
    minimum, spectrum = min(minima, key=lambda pair: pair[0].loss)
    bound = optimiser.largest_lr(spectrum.maximum)
    draw = np.random.default_rng(classes)
    start = tuple(a + 1e-6 * draw.standard_normal(a.shape) for a in balanced_factors(minimum.logits, problem))
    before = run(problem, start, lr=1e-12, steps=1).gradient_norm
    below = run(problem, start, lr=0.9 * bound, steps=4000, tolerance=before / 1000, optimiser=optimiser)
    above = run(problem, start, lr=1.1 * bound, steps=60, optimiser=optimiser)
    assert below.status == "converged"
    for a, b in zip(below.factors, start, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)  # the same minimum
    assert above.status == "diverged" or above.gradient_norm > 100 * before  # the error grows by 1.2 a step at least


@pytest.mark.parametrize("problem", [*PROBLEMS, SMALL, SMALL.replace(loss="mse")], ids=str)
@pytest.mark.parametrize("optimiser", [GradientDescent(), Momentum(beta=0.9)], ids=str)
def test_no_run_diverges_at_the_proposed_rate(problem, optimiser):
    rate = stable_lr(problem, gaussian_starts(problem, range(3)), optimiser=optimiser)
    rule = Descent(lr=rate.lr, tolerance=1e-12, steps_max=300, optimiser=optimiser)
    ends = list(TorchEngine().train(problem, gaussian_starts(problem, range(16)), descent=rule))
    assert [end.status for end in ends] == ["not converged"] * 16
    assert rate.bound == optimiser.largest_lr(rate.limited_by.value)
    assert rate.lr == pytest.approx(rate.bound * (0.5 if isinstance(optimiser, GradientDescent) else 0.05))


@pytest.mark.parametrize("problem", [SMALL, Problem(classes=5, layers=4, width=5)], ids=str)
def test_well_above_the_bound_runs_diverge(problem):
    """The bound is no more cautious than it must be: a few times as much is too much."""
    rate = stable_lr(problem, gaussian_starts(problem, range(3)))
    rule = Descent(lr=5.0 * rate.bound, tolerance=1e-12, steps_max=300)
    ends = list(TorchEngine().train(problem, gaussian_starts(problem, range(16)), descent=rule))
    assert sum(end.status == "diverged" for end in ends) >= 8


def test_points_are_where_they_say():
    rate = stable_lr(SMALL, [(7, gaussian(SMALL, seed=7))])
    by_place = {}
    for point in rate.points:
        by_place.setdefault(point.where, []).append(point.value)
    (start,) = by_place["the start of seed 7"]
    assert start == pytest.approx(np.linalg.eigvalsh(dense_hessian(gaussian(SMALL, seed=7), SMALL))[-1], rel=0.02)
    assert 10 <= len(by_place["the way from seed 7"]) <= 40
    known = {s.name: structure_spectrum(s, SMALL).maximum for s in structures(SMALL) if s.critical}
    assert by_place["collapse"] == [known["simplex"]]
    assert by_place["paired"] == [known["paired"]]
    assert set(by_place) == {"the start of seed 7", "the way from seed 7", "collapse", "paired"}
    values = [point.value for point in rate.points]
    assert values == sorted(values, reverse=True)
    assert rate.followed


def test_the_way_finds_the_peak_of_the_curvature():
    """Against a fine descent that looks at dense Hessians."""
    ((_, factors),) = gaussian_starts(SMALL, [1], scale=0.3)
    found = stable_lr(SMALL, [(1, factors)]).limited_by
    assert found.where == "the way from seed 1"
    seen = []
    for _ in range(60):
        factors = run(SMALL, factors, lr=0.05, steps=40).factors
        seen.append(np.linalg.eigvalsh(dense_hessian(factors, SMALL))[-1])
    assert found.value == pytest.approx(max(seen), rel=0.3)
    assert found.value > 3 * sharpness(gaussian(SMALL, seed=1, scale=0.3), SMALL)


@pytest.mark.parametrize("width", [10, 70, 4096])
def test_without_starts_the_width_costs_nothing(width):
    rate = stable_lr(Problem(classes=10, layers=3, width=width, samples=5))
    assert rate.bound == pytest.approx(stable_lr(Problem(classes=10, layers=3, samples=5)).bound)
    assert not rate.followed
    assert rate.reason.endswith("; the way there was not followed and may ask for less")


def test_the_reason_in_words():
    rate = stable_lr(SMALL, gaussian_starts(SMALL, [3]))
    assert rate.limited_by == rate.points[0] == Sharpness(rate.points[0].value, "the start of seed 3")
    assert rate.reason == (
        f"{rate.lr:.3g} is 0.5 of {rate.bound:.3g}, the largest stable learning rate at the largest curvature seen, "
        f"{rate.limited_by.value:.3g} at the start of seed 3"
    )


def test_large_problems_leave_out_what_is_expensive():
    places = [point.where for point in stable_lr(Problem(classes=100, layers=3, width=200)).points]
    assert places == ["collapse"]


@pytest.mark.parametrize("problem", [RELU, PROBLEMS[2]], ids=str)
def test_without_closed_forms_starts_are_needed(problem):
    with pytest.raises(
        InvalidInputError, match=r"starts: expected at least one where no minimum is known .* give a few"
    ):
        stable_lr(problem)


def test_starts_whose_logits_overflow():
    start = tuple(1e200 * a for a in gaussian(SMALL, seed=4))
    with pytest.raises(
        InvalidInputError, match=r"starts: expected entries below 1e\+30, but found .* in that of seed 4"
    ):
        stable_lr(SMALL, [(4, start)])


def test_adam_has_no_such_bound():
    with pytest.raises(
        InvalidInputError, match="optimiser: expected one whose steps grow with the gradient, but found"
    ):
        stable_lr(SMALL, optimiser=Adam())
