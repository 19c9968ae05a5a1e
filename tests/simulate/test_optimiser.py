"""The optimisers by themselves: settings and the stability bounds, against iterations on a quadratic."""

import numpy as np
import pytest
import torch

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum, expect_gradient_descent

OPTIMISERS = [
    GradientDescent(),
    Momentum(beta=0.5),
    Momentum(beta=0.95),
    Adam(epsilon=0.3),
    Adam(beta1=0.0, beta2=0.9, epsilon=2.0),
]


def of_torch(optimiser, leaves, lr):
    if isinstance(optimiser, Adam):
        return torch.optim.Adam(leaves, lr=lr, betas=(optimiser.beta1, optimiser.beta2), eps=optimiser.epsilon)
    return torch.optim.SGD(leaves, lr=lr, momentum=getattr(optimiser, "beta", 0.0))


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize("curvature", [0.3, 7.0])
def test_a_quadratic_is_left_just_above_the_largest_lr(optimiser, curvature):
    """From so close that gradients are far below Adam's epsilon, and after the corrections for its start have ended."""
    reach = []
    for share in (0.98, 1.02):
        x, amplitude = torch.zeros(1, dtype=torch.float64), 0.0
        steps = of_torch(optimiser, [x], share * optimiser.largest_lr(curvature))
        for step in range(1000):
            x += 1e-9 * (step == 300)
            x.grad = curvature * x
            steps.step()
            amplitude = max(amplitude, abs(float(x)))
        reach.append(amplitude)
    assert reach[0] < 1e-8  # what momentum amplifies before it decays
    assert reach[1] > 1e-3


@pytest.mark.parametrize("optimiser", [GradientDescent(), Momentum(beta=0.5), Momentum(beta=0.95)], ids=str)
def test_settling_steps_shrink_a_slow_direction_to_one_part_in_e(optimiser):
    lr, decay = 0.5, 2.0**-13
    x = torch.tensor([1.0], dtype=torch.float64)
    steps = of_torch(optimiser, [x], lr)
    for _ in range(round(optimiser.settling_steps(lr, decay))):
        x.grad = decay * x
        steps.step()
    assert float(x) == pytest.approx(np.exp(-1), rel=0.02)  # 1 / (1 - beta) steps late, of some hundreds


def test_adam_settles_in_its_three_phases():
    assert Adam(beta2=0.99, epsilon=0.1).settling_steps(0.01, 0.5) == pytest.approx(20 + 20 + 20)


@pytest.mark.parametrize("beta", [0.0, 1.0, -0.1, np.nan, True])
def test_bad_momentum(beta):
    with pytest.raises(InvalidInputError, match=r"beta: expected a number above 0 and below 1, but found .*; 0.9 is"):
        Momentum(beta=beta)


@pytest.mark.parametrize("name", ["beta1", "beta2"])
@pytest.mark.parametrize("value", [1.0, -0.1, np.nan])
def test_bad_adam_shares(name, value):
    with pytest.raises(InvalidInputError, match=f"{name}: expected a number from 0 and below 1, but found"):
        Adam(**{name: value})


@pytest.mark.parametrize("value", [0.0, 1e-40, np.inf, np.nan])
def test_bad_epsilon(value):
    with pytest.raises(InvalidInputError, match=r"epsilon: expected a finite number >= 1e-30, but found .*; 1e-8 is"):
        Adam(epsilon=value)


def test_who_takes_plain_steps_only_says_so():
    expect_gradient_descent(GradientDescent(), of="x", remedy="y")
    message = "optimiser: expected plain gradient descent for the other, but found Adam 0.9 0.999 1e-08; take it off"
    with pytest.raises(InvalidInputError, match=message):
        expect_gradient_descent(Adam(), of="the other", remedy="take it off")
