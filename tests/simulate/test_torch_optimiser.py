"""Momentum and Adam in the torch engine, step by step against torch's own optimisers with autograd."""

import numpy as np
import pytest
import torch

from deepcollapse.simulate import Descent, TorchEngine, descent, gaussian_starts
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum
from deepcollapse.ufm import Problem
from simulate.oracle import autograd, objective, parameters

OPTIMISERS = [
    Momentum(beta=0.9),
    Momentum(beta=0.3),
    Adam(),
    Adam(beta1=0.0, beta2=0.9, epsilon=0.1),
    Adam(beta1=0.5, beta2=0.5, epsilon=1e-3),
]
PROBLEMS = [
    Problem(classes=2, layers=1, width=1),
    Problem(classes=3, layers=1, samples=2, width=4),
    Problem(classes=4, layers=2, samples=(1, 3, 2, 1), width=6, decay=(0.01, 0.02, 0.004)),
    Problem(classes=5, layers=4, width=5, loss="mse"),
    Problem(classes=5, layers=3, width=2, samples=4),
    Problem(classes=2, layers=3, samples=3, width=7, activation="relu"),
    Problem(classes=4, layers=2, samples=(2, 1, 1, 2), width=6, activation="relu", loss="mse"),
]
SMALL = Problem(classes=3, layers=2, width=5, decay=2.0**-5)


def of_torch(optimiser, leaves, lr):
    if isinstance(optimiser, Adam):
        return torch.optim.Adam(leaves, lr=lr, betas=(optimiser.beta1, optimiser.beta2), eps=optimiser.epsilon)
    return torch.optim.SGD(leaves, lr=lr, momentum=getattr(optimiser, "beta", 0.0))


def trained(factors, problem, *, optimiser, lr, steps):
    """The factors after each of the steps; the decay is part of the loss that autograd differentiates."""
    leaves = parameters(factors)
    rule = of_torch(optimiser, leaves, lr)
    for _ in range(steps):
        rule.zero_grad()
        objective(leaves, problem).backward()
        rule.step()
        yield tuple(leaf.detach().numpy().copy() for leaf in leaves)


def endpoints(problem, *, seeds, rule, **settings):
    found = TorchEngine(**settings).train(problem, gaussian_starts(problem, seeds), descent=rule)
    return {end.seed: end for end in found}


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_step_is_the_step_of_torch(problem, optimiser):
    starts = dict(gaussian_starts(problem, range(2)))
    expected = {
        seed: list(trained(start, problem, optimiser=optimiser, lr=0.02, steps=20)) for seed, start in starts.items()
    }
    for steps in (1, 2, 20):
        rule = Descent(lr=0.02, tolerance=1e-12, steps_max=steps, check_every=7, optimiser=optimiser)
        for seed, end in endpoints(problem, seeds=range(2), rule=rule).items():
            model = expected[seed][steps - 1]
            for a, b in zip(end.factors, model, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-9)  # an entry of S near zero magnifies what is rounded in G
            slope = np.sqrt(sum((g**2).sum() for g in autograd(model, problem)))
            assert end.gradient_norm == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("optimiser", [Momentum(beta=0.9), Adam(epsilon=0.1)], ids=str)
def test_decay_is_that_of_torch(optimiser):
    """Coupled: torch's weight_decay adds decay A to the gradient, as F does."""
    ((_, start),) = gaussian_starts(SMALL, [3])
    leaves = parameters(start)
    rule = of_torch(optimiser, leaves, 0.1)
    rule.param_groups[0]["weight_decay"] = SMALL.mean_decay
    for _ in range(30):
        rule.zero_grad()
        value = leaves[2] @ leaves[1] @ leaves[0]
        torch.nn.functional.cross_entropy(value.T, torch.from_numpy(SMALL.labels)).backward()
        rule.step()
    rule = Descent(lr=0.1, tolerance=1e-12, steps_max=30, optimiser=optimiser)
    for a, b in zip(endpoints(SMALL, seeds=[3], rule=rule)[3].factors, leaves, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), atol=1e-10)


@pytest.mark.parametrize("optimiser", [GradientDescent(), Momentum(beta=0.8), Adam(epsilon=0.3)], ids=str)
@pytest.mark.parametrize("chunk", [1, 3])
def test_runs_that_leave_and_join_keep_their_memory(optimiser, chunk):
    """A chunk of three holds runs of three ages at a time, so a shared count of steps or a lost V would show."""
    lr = {GradientDescent: 1.0, Momentum: 0.2, Adam: 0.3}[type(optimiser)]
    rule = Descent(lr=lr, tolerance=1e-6, steps_max=350, check_every=10, optimiser=optimiser)
    whole, found = (endpoints(SMALL, seeds=range(8), rule=rule, chunk=size) for size in (None, chunk))
    assert len({end.steps for end in whole.values()}) >= 2
    for seed, end in found.items():
        assert (end.status, end.steps) == (whole[seed].status, whole[seed].steps)
        for a, b in zip(end.factors, whole[seed].factors, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("optimiser", [Momentum(beta=0.9), Adam(epsilon=0.1)], ids=str)
@pytest.mark.parametrize("classes", [3, 10])
def test_float32_keeps_idle_columns_at_zero(optimiser, classes):
    """Fewer samples than a vector holds: the columns that fill it up must not move, least of all under Adam."""
    problem = Problem(classes=classes, layers=2, width=classes + 2)
    ((_, start),) = gaussian_starts(problem, [0])
    rule = Descent(lr=0.05, tolerance=1e-12, steps_max=60, optimiser=optimiser)
    (end,) = endpoints(problem, seeds=[0], rule=rule, dtype="float32").values()
    *_, expected = trained(start, problem, optimiser=optimiser, lr=0.05, steps=60)
    for a, b in zip(end.factors, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("optimiser", [Momentum(beta=0.9), Adam(epsilon=0.1), Adam()], ids=str)
@pytest.mark.parametrize("layers", [1, 2])
def test_all_runs_come_to_rest_within_the_default_horizon(optimiser, layers):
    problem = Problem(classes=3, layers=layers, width=4, decay=2.0**-6)
    ends = endpoints(problem, seeds=range(8), rule=descent(problem, 0.1, optimiser=optimiser)).values()
    assert [end.status for end in ends] == ["converged"] * 8


@pytest.mark.parametrize(("epsilon", "rests"), [(1e-8, False), (1e-2, True)])
def test_adam_stays_at_rest_only_below_its_largest_lr(epsilon, rests):
    """Measured at the end alone: on the way there the gradient falls below any tolerance with either epsilon."""
    problem, optimiser = Problem(classes=3, layers=2, width=4, decay=2.0**-6), Adam(beta2=0.9, epsilon=epsilon)
    curvature = 0.6  # at least the largest at collapse, the end of all runs here
    assert (optimiser.largest_lr(curvature) > 0.1) == rests
    rule = Descent(lr=0.1, tolerance=1e-8, steps_max=2000, check_every=2000, optimiser=optimiser)
    ends = endpoints(problem, seeds=range(4), rule=rule).values()
    assert {end.status for end in ends} == {"converged" if rests else "not converged"}
    assert all(end.gradient_norm < 1e-10 if rests else end.gradient_norm > 1e-5 for end in ends)
