import itertools
from collections import Counter

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Descent, Engine, TorchEngine, classify, descent, gaussian_starts, simulate
from deepcollapse.simulate.balance_acceleration import (
    BalanceAcceleration,
    balanced_problem,
    balanced_projection,
    lifted,
)
from deepcollapse.simulate.optimiser import Adam, Momentum
from deepcollapse.ufm import (
    Problem,
    balanced_factors,
    forward,
    gaussian_factors,
    logits_objective,
    mean_loss,
    read_factors,
    regularised_loss,
    schatten_penalty,
)
from simulate.oracle import autograd, trained

SMALL = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
MIXED = SMALL.replace(classes=5)
"""Collapse takes 700 steps here at lr = 1, pairs take thousands; t_0 is 737 at the share below."""
BETWEEN = 1e-10
SHAPES = [
    Problem(classes=2, layers=1, width=2),
    Problem(classes=3, layers=2, width=7, samples=5, decay=0.02),
    Problem(classes=5, layers=3, width=9, loss="mse", decay=0.01),
    Problem(classes=4, layers=4, width=12, decay=(0.02,) * 5),
    Problem(classes=5, layers=2, width=3, samples=2, decay=0.02),  # narrower than the classes
    Problem(classes=3, layers=2, width=6, samples=(1, 4, 2), decay=0.02),
    Problem(classes=4, layers=3, decay=0.02),  # d = K
]


def norm(factors) -> float:
    return float(np.sqrt(sum((a**2).sum() for a in factors)))


def ends_of(engine, problem, *, seeds, rule):
    return {end.seed: end for end in engine.train(problem, gaussian_starts(problem, seeds), descent=rule)}


@pytest.mark.parametrize("problem", SHAPES, ids=str)
def test_a_step_shrinks_the_imbalance_by_the_square_of_one_minus_lr_decay(problem):
    """Exactly, save for lr^2 times the difference of the squared data gradients: what the rule for t_0 stands on."""
    lr, decay = 0.3, problem.mean_decay
    before = gaussian_factors(problem, np.random.default_rng(3))
    after = trained(before, problem, lr=lr, steps=1)
    data = tuple(g - decay * a for g, a in zip(autograd(before, problem), before, strict=True))
    for l in range(problem.layers):
        imbalance, later, slope = (f[l + 1].T @ f[l + 1] - f[l] @ f[l].T for f in (before, after, data))
        np.testing.assert_allclose(later, (1 - lr * decay) ** 2 * imbalance + lr**2 * slope, atol=1e-13)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.1, 1e-6])
@pytest.mark.parametrize(("lr", "decay"), [(0.5, 2.0**-10), (1.0, 0.02), (2.0, 1e-7)])
def test_the_switch_is_the_first_step_with_no_more_than_the_share_left(share, lr, decay):
    step = BalanceAcceleration(TorchEngine(), share).switch_step(Problem(classes=3, layers=2, decay=decay), lr=lr)
    left = [np.exp(-2 * lr * decay * t) for t in (step - 1, step)]
    assert left[1] <= share * (1 + 1e-12)
    assert left[0] > share * (1 - 1e-12)
    assert (1 - lr * decay) ** (2 * step) <= share * (1 + 1e-12)  # the discrete decay is the faster one


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_the_share_is_what_is_left_of_the_imbalance(share):
    """At lr = 0.02 the lr^2 terms, t_0 of them and each below 1 here, may add lr / decay ln(1 / share) / 2 lr^2."""
    lr, problem = 0.02, SMALL.replace(decay=0.1)
    start = gaussian_factors(problem, np.random.default_rng(0))
    steps = BalanceAcceleration(TorchEngine(), share).switch_step(problem, lr=lr)
    (end,) = TorchEngine().train(problem, [(0, start)], descent=Descent(lr=lr, tolerance=1e-12, steps_max=steps))
    for l in range(problem.layers):
        first, last = (f[l + 1].T @ f[l + 1] - f[l] @ f[l].T for f in (start, end.factors))
        assert np.linalg.norm(last - share * first) < steps * lr**2


@pytest.mark.parametrize("problem", SHAPES, ids=str)
def test_the_projection_keeps_the_logits_and_costs_least(problem):
    for seed in range(5):
        factors = gaussian_factors(problem, np.random.default_rng(seed))
        narrow, reduced = balanced_projection(factors, problem), balanced_problem(problem)
        logits = forward(factors, problem)
        np.testing.assert_allclose(forward(narrow, reduced), logits, atol=1e-12)
        assert read_factors(narrow, reduced).imbalance < 1e-12
        weights = np.full(problem.total_samples, 1.0 / problem.total_samples)
        data = mean_loss(logits, problem.labels, weights, kind=problem.loss)
        values = np.linalg.svd(logits, compute_uv=False)
        values[reduced.d :] = 0.0  # beyond the rank, rounding noise to a small power would count
        assert regularised_loss(narrow, reduced) == pytest.approx(data + float(schatten_penalty(values, problem)))
        assert regularised_loss(narrow, reduced) < regularised_loss(factors, problem)


def test_the_projection_of_collapsed_logits_is_their_balanced_factorisation():
    problem = Problem(classes=4, layers=3, width=9, samples=(1, 2, 1, 3), decay=0.01)
    logits = np.random.default_rng(1).normal(size=(4, 4))
    factors = balanced_factors(logits, problem, np.random.default_rng(2))
    narrow, reduced = balanced_projection(factors, problem), balanced_problem(problem)
    np.testing.assert_allclose(read_factors(narrow, reduced).logits, logits, atol=1e-12)
    assert regularised_loss(narrow, reduced) == pytest.approx(logits_objective(logits, problem), abs=1e-12)


@pytest.mark.parametrize("problem", SHAPES, ids=str)
def test_descent_at_width_r_is_descent_at_width_d(problem):
    """Loss, gradient and 30 steps of the zero-padded factors are those of the narrow ones, balanced or not."""
    reduced = balanced_problem(problem)
    wide = gaussian_factors(problem, np.random.default_rng(4))
    for narrow in (balanced_projection(wide, problem), gaussian_factors(reduced, np.random.default_rng(5))):
        padded = lifted(narrow, problem)
        assert regularised_loss(padded, problem) == pytest.approx(regularised_loss(narrow, reduced), abs=1e-13)
        assert norm(autograd(padded, problem)) == pytest.approx(norm(autograd(narrow, reduced)), rel=1e-12)
        here, there = trained(padded, problem, lr=0.3, steps=30), trained(narrow, reduced, lr=0.3, steps=30)
        for a, b in zip(here, lifted(there, problem), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


GRID = [
    *(Problem(classes=4, layers=layers, width=12, decay=0.02) for layers in (1, 2, 3, 4)),
    Problem(classes=4, layers=2, width=12, samples=5, decay=0.005),
    Problem(classes=3, layers=3, width=12, samples=5, decay=0.01),
    Problem(classes=4, layers=2, width=12, loss="mse", decay=0.01),
    Problem(classes=3, layers=3, width=8, loss="mse", decay=0.004),
    Problem(classes=5, layers=2, width=3, decay=0.01),
    Problem(classes=4, layers=2, decay=0.01),
    Problem(classes=3, layers=2, width=10, samples=(2, 1, 3), decay=0.02),
    Problem(classes=2, layers=2, width=6, decay=0.02),
    Problem(classes=3, layers=2, width=6, decay=0.5),  # every run ends at zero
    Problem(classes=6, layers=2, width=24, decay=2.0**-7),  # collapse and pairs
]


@pytest.mark.parametrize("problem", GRID, ids=str)
def test_the_ends_are_those_of_plain_descent(problem):
    settings = {"seeds": 8, "lr": 0.5}
    full = simulate(problem, engine=TorchEngine(), **settings)
    fast = simulate(problem, engine=BalanceAcceleration(TorchEngine()), **settings)
    assert fast.decided == full.decided == 8
    assert fast.structures == full.structures
    np.testing.assert_allclose(fast.losses, full.losses, rtol=1e-7)
    np.testing.assert_allclose(fast.singular_values, full.singular_values, atol=1e-2)
    assert fast.singular_values.shape == (8, problem.classes)


def test_the_grid_has_more_than_one_end():
    """Else the comparison above would prove little."""
    assert set(simulate(GRID[-1], seeds=8, lr=0.5, engine=TorchEngine()).structures) == {"dnc", "paired"}


def test_an_end_is_a_point_of_the_full_model():
    rule = descent(SMALL, 1.0)
    engine = BalanceAcceleration(TorchEngine())
    for end in ends_of(engine, SMALL, seeds=range(4), rule=rule).values():
        assert [a.shape for a in end.factors] == [(8, 4), (8, 8), (4, 8)]
        assert end.status == "converged"
        assert end.gradient_norm <= rule.tolerance
        assert norm(autograd(end.factors, SMALL)) == pytest.approx(end.gradient_norm, abs=1e-14)
        assert end.steps > engine.switch_step(SMALL, lr=1.0)


@pytest.mark.parametrize(("horizon", "status"), [(60, "not converged"), (74, "not converged"), (75, "not converged")])
def test_no_run_goes_beyond_the_horizon(horizon, status):
    """t_0 is 74 here: no second leg up to there, one step of it after that."""
    engine, rule = BalanceAcceleration(TorchEngine()), descent(SMALL, 1.0, steps_max=horizon)
    assert engine.switch_step(SMALL, lr=1.0) == 74
    ends, plain = (ends_of(e, SMALL, seeds=range(3), rule=rule) for e in (engine, TorchEngine()))
    assert [(end.status, end.steps) for end in ends.values()] == [(status, horizon)] * 3
    same = [np.array_equal(ends[s].factors[0], plain[s].factors[0]) for s in range(3)]
    assert same == [horizon <= 74] * 3


def test_runs_that_end_in_the_first_leg_are_final():
    engine, rule = BalanceAcceleration(TorchEngine(), BETWEEN), descent(MIXED, 1.0)
    ends, plain = (ends_of(e, MIXED, seeds=range(8), rule=rule) for e in (engine, TorchEngine()))
    early = {seed for seed, end in plain.items() if end.steps <= engine.switch_step(MIXED, lr=1.0)}
    assert 0 < len(early) < 8
    for seed, end in ends.items():
        names = [classify(e.factors, MIXED).structure for e in (end, plain[seed])]
        assert (end.status, names[0]) == ("converged", names[1])
        same = itertools.starmap(np.array_equal, zip(end.factors, plain[seed].factors, strict=True))
        assert all(same) == (seed in early)


def test_divergence_in_the_first_leg_is_final():
    ends = ends_of(BalanceAcceleration(TorchEngine(), 1e-9), SMALL, seeds=range(5), rule=descent(SMALL, 100.0))
    assert [(end.status, end.factors) for end in ends.values()] == [("diverged", None)] * 5


class _Divergent:
    """Every run blows up."""

    name = "divergent"

    def train(self, problem, starts, *, descent, report=None):
        return TorchEngine().train(problem, starts, descent=Descent(lr=1e3, tolerance=1e-9, steps_max=900))


def test_divergence_in_the_second_leg_has_no_factors():
    engine = BalanceAcceleration(TorchEngine(), reduced=_Divergent())
    ends = ends_of(engine, SMALL, seeds=range(3), rule=descent(SMALL, 1.0))
    assert [(end.status, end.factors) for end in ends.values()] == [("diverged", None)] * 3
    assert all(end.steps > 74 for end in ends.values())


@pytest.mark.parametrize("share", [0.9, 0.1, BETWEEN, 1e-16])
@pytest.mark.parametrize("chunk", [2, None])
def test_progress_counts_over_both_legs(share, chunk):
    reports, rule = [], descent(MIXED, 1.0, steps_max=3000)
    engine = BalanceAcceleration(TorchEngine(chunk=chunk), share, reduced=TorchEngine(chunk=5))
    seen = list(engine.train(MIXED, gaussian_starts(MIXED, range(9)), descent=rule, report=reports.append))
    assert sorted(end.seed for end in seen) == list(range(9))
    for before, after in itertools.pairwise(reports):
        assert after.steps >= before.steps
        for name in ("converged", "not_converged", "diverged", "ended"):
            assert getattr(after, name) >= getattr(before, name)
    assert all(0 <= r.running <= 9 - r.ended for r in reports)
    last, counts = reports[-1], Counter(end.status for end in seen)
    assert counts["converged"] > 0 < counts["not converged"]
    assert (last.converged, last.not_converged, last.running) == (counts["converged"], counts["not converged"], 0)
    assert last.steps == sum(end.steps for end in seen)


def test_starts_are_drawn_as_there_is_room():
    """Each engine holds a batch and hands over as many ends as it has: twice 2 and twice 3 runs at most."""
    begun, ended = 0, 0

    def starts():
        nonlocal begun
        for start in gaussian_starts(SMALL, range(24)):
            begun += 1
            yield start

    engine = BalanceAcceleration(TorchEngine(chunk=2), reduced=TorchEngine(chunk=3))
    for _ in engine.train(SMALL, starts(), descent=descent(SMALL, 1.0)):
        ended += 1
        assert begun - ended < 10
    assert begun == ended == 24


@pytest.mark.parametrize(("share", "count"), [(0.1, 5), (BETWEEN, 1), (BETWEEN, 2), (BETWEEN, 5)])
def test_an_interrupt_loses_no_run_that_counts_as_ended(share, count):
    reported = []

    def stop(progress):
        reported.append(progress.ended)
        if progress.converged >= count:
            raise KeyboardInterrupt

    engine = BalanceAcceleration(TorchEngine(chunk=3), share)
    part = simulate(MIXED, seeds=12, lr=1.0, engine=engine, progress=stop)
    assert count <= reported[-1] <= len(part.finished) < 12
    assert sorted((*part.seeds, *part.unfinished)) == list(range(12))


def test_no_starts_no_ends():
    assert list(BalanceAcceleration(TorchEngine()).train(SMALL, [], descent=descent(SMALL, 1.0))) == []


class _Recorder:
    """Keeps the widths it was asked for."""

    def __init__(self):
        self.widths = []

    name = "recorder"

    def train(self, problem, starts, *, descent, report=None):
        self.widths.append(problem.d)
        return TorchEngine().train(problem, starts, descent=descent, report=report)


def test_each_leg_has_its_engine():
    first, second = _Recorder(), _Recorder()
    both, one = BalanceAcceleration(first, 0.2, second), BalanceAcceleration(first)
    for engine in (both, one):
        assert isinstance(engine, Engine)
        assert simulate(SMALL, seeds=2, lr=1.0, engine=engine).converged == 2
    assert (first.widths, second.widths) == ([8, 8, 4], [4])
    assert both.name == "recorder, then recorder; balanced at imbalance 0.2"
    assert one.name == "recorder; balanced at imbalance 0.1"


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2, True, float("nan")])
def test_a_share_is_between_zero_and_one(share):
    with pytest.raises(InvalidInputError, match=r"imbalance: expected a share between 0 and 1, but found .*; leave it"):
        BalanceAcceleration(TorchEngine(), share)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"activation": "relu"},
            'activation: expected "linear", but found "relu"; .*: train without acceleration',
        ),
        (
            {"decay": (0.01, 0.02, 0.01)},
            r"decay: expected one for all factors, but found \(0.01, 0.02, 0.01\); .*: train without acceleration",
        ),
    ],
)
def test_models_without_a_balanced_manifold_are_refused_at_once(changes, message):
    problem, engine = SMALL.replace(**changes), BalanceAcceleration(TorchEngine())
    for call in (
        lambda: engine.train(problem, [], descent=descent(problem, 1.0)),
        lambda: engine.switch_step(problem, lr=1.0),
    ):
        with pytest.raises(InvalidInputError, match=message):
            call()


@pytest.mark.parametrize("optimiser", [Momentum(), Adam()])
def test_other_optimisers_are_refused_at_once(optimiser):
    rule = descent(SMALL, 0.01, optimiser=optimiser)
    with pytest.raises(InvalidInputError, match=r"optimiser: .*balanced projection.*train without acceleration"):
        BalanceAcceleration(TorchEngine()).train(SMALL, [], descent=rule)
