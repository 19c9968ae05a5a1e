import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Descent, Engine, TorchEngine, descent, gaussian
from deepcollapse.simulate.engine import loss_ceiling
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum
from deepcollapse.ufm import Problem, regularised_loss

PROBLEM = Problem(classes=4, layers=2, decay=2.0**-10)


def test_defaults_follow_the_decay():
    assert descent(PROBLEM, 0.5) == Descent(lr=0.5, tolerance=2.0**-10 / 1000, steps_max=409_600, window=2048)
    assert descent(Problem(classes=4, layers=2, decay=0.1), 2).tolerance == 1e-6
    uneven = descent(Problem(classes=4, layers=1, decay=(2.0**-16, 0.5)), 1.0)
    assert (uneven.tolerance, uneven.steps_max) == (2.0**-16 / 1000, 200 * 2**16)


def test_settings_given_are_kept():
    assert descent(PROBLEM, 0.5, tolerance=1e-9, steps_max=7) == Descent(
        lr=0.5, tolerance=1e-9, steps_max=7, window=2048
    )


def test_horizons_follow_the_optimiser():
    assert descent(PROBLEM, 0.5, optimiser=GradientDescent()) == descent(PROBLEM, 0.5)
    slow = descent(PROBLEM, 0.05, optimiser=Momentum(beta=0.9))
    assert (slow.optimiser, slow.steps_max) == (Momentum(beta=0.9), pytest.approx(409_600, abs=1))
    assert descent(PROBLEM, 0.01, optimiser=Adam(epsilon=0.01)).steps_max == pytest.approx(200 * (20 + 200 + 1024))
    assert descent(PROBLEM, 0.01, steps_max=7, optimiser=Adam()).steps_max == 7


@pytest.mark.parametrize("optimiser", [GradientDescent(), Momentum(), Adam(epsilon=0.1)])
def test_no_horizon_without_end(optimiser):
    tiny = PROBLEM.replace(decay=1e-20)
    with pytest.raises(
        InvalidInputError, match=r"steps_max: expected .* below 1e\+12 steps, but found 5e-21; raise lr or"
    ):
        descent(tiny, 0.5, optimiser=optimiser)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, True])
@pytest.mark.parametrize("name", ["lr", "tolerance"])
def test_bad_numbers(name, value):
    settings = {"lr": 1.0, "tolerance": 1e-6, "steps_max": 10} | {name: value}
    with pytest.raises(InvalidInputError, match=f"{name}: expected a finite number > 0, but found"):
        Descent(**settings)


@pytest.mark.parametrize("name", ["steps_max", "check_every", "window"])
def test_bad_counts(name):
    settings = {"lr": 1.0, "tolerance": 1e-6, "steps_max": 10} | {name: 0}
    with pytest.raises(InvalidInputError, match=f"{name}: expected a whole number >= 1, but found 0; leave it out"):
        Descent(**settings)


def test_coarse_tolerance():
    message = r"tolerance: expected at most decay / 100 = 9.77e-06, but found 1e-05; .* lower it"
    with pytest.raises(InvalidInputError, match=message):
        descent(PROBLEM, 0.5, tolerance=1e-5)


def test_ceiling_is_above_start_and_zero():
    start, huge = gaussian(PROBLEM, seed=0), gaussian(PROBLEM, seed=0, scale=100.0)
    assert loss_ceiling(tuple(1e-9 * a for a in start), PROBLEM) == pytest.approx(100 * np.log(4))
    assert loss_ceiling(huge, PROBLEM) == pytest.approx(100 * regularised_loss(huge, PROBLEM))
    assert not np.isfinite(loss_ceiling(tuple(1e200 * a for a in start), PROBLEM))


def test_torch_is_an_engine():
    assert isinstance(TorchEngine(), Engine)
