"""The narrow run against the full one: autograd's loop step by step, the torch engine to convergence."""

import itertools

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Descent, Engine, TorchEngine, descent, gaussian
from deepcollapse.simulate.initialise import Initialisation
from deepcollapse.simulate.orthogonal_reduction import OrthogonalReduction, reduced_problem
from deepcollapse.ufm import Problem, factor_shapes, regularised_loss
from deepcollapse.ufm.structures import zero
from simulate.oracle import autograd, trained

PROBLEMS = [
    Problem(classes=3, layers=1, samples=2, width=12, decay=(0.02, 0.01)),
    Problem(classes=3, layers=1, width=9, activation="relu", decay=0.01),  # one layer has nothing to rectify
    Problem(classes=2, layers=2, width=6, decay=0.02),  # as narrow as pays
    Problem(classes=3, layers=3, width=13, decay=0.01),
    Problem(classes=4, layers=2, samples=(1, 3, 2, 1), width=20, decay=(0.01, 0.02, 0.004)),
    Problem(classes=5, layers=4, width=30, loss="mse", decay=(0.02, 0.01, 0.03, 0.01, 0.02)),
]


class Spy:
    """An engine that notes what it was given and what it gave back."""

    name = "spy"

    def __init__(self, **settings):
        self.engine, self.problems, self.starts, self.ends = TorchEngine(**settings), [], [], []

    def train(self, problem, starts, *, descent, report=None):
        self.problems.append(problem)

        def noted():
            for seed, factors in starts:
                self.starts.append(factors)
                yield seed, factors

        for end in self.engine.train(problem, noted(), descent=descent, report=report):
            self.ends.append(end)
            yield end


def orthogonal(problem, seeds, *, scale=1.0):
    return list(Initialisation("orthogonal", scale).starts(problem, seeds))


def unequal(problem, seed):
    """Gaussian features and last weights, hidden weights of different sizes and signs."""
    features, *hidden, output = Initialisation("orthogonal").factors(problem, seed=seed)
    generator = np.random.default_rng(seed)
    hidden = [weight * size for weight, size in zip(hidden, (-0.4, 1.1, 0.9), strict=False)]
    return (generator.normal(0, 0.3, features.shape), *hidden, generator.normal(0, 0.2, output.shape))


def deficient(problem, seed):
    """A zero column and parallel ones in H_1, rows of W_L that are parallel but for rounding."""
    features, *hidden, output = unequal(problem, seed)
    features[:, 1], features[:, -1] = -2.0 * features[:, 0], 0.0
    output[0] = 0.5 * output[1] + 1e-15
    return features, *hidden, output


def silent(problem, seed):
    """A network that starts at zero logits."""
    features, *hidden, output = unequal(problem, seed)
    return features, *hidden, 0.0 * output


STARTS = [lambda problem, seed: Initialisation("orthogonal").factors(problem, seed=seed), unequal, deficient, silent]


def ends_of(engine, problem, starts, rule):
    return {end.seed: end for end in engine.train(problem, starts, descent=rule)}


@pytest.mark.parametrize("start", STARTS, ids=["orthogonal", "unequal", "deficient", "silent"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_step_is_the_step_of_the_full_run(problem, start):
    starts = [(seed, start(problem, seed)) for seed in range(2)]
    for steps in (1, 2, 30):
        spy, rule = Spy(), Descent(lr=0.3, tolerance=1e-12, steps_max=steps, check_every=7)
        found = ends_of(OrthogonalReduction(spy), problem, starts, rule)
        (narrow,) = spy.problems
        assert narrow.d == problem.total_samples + problem.classes + (problem.layers > 1) < problem.d
        for inner, (seed, factors) in zip(spy.ends, starts, strict=True):
            end, expected = found[seed], trained(factors, problem, lr=0.3, steps=steps)
            assert (end.status, end.steps) == ("not converged", steps)
            for a, b in zip(end.factors, expected, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-13 * (1 + steps))  # entries of order one, a rounding per step
            slope = np.sqrt(sum((g**2).sum() for g in autograd(expected, problem)))
            assert end.gradient_norm == pytest.approx(slope, rel=1e-10)
            assert regularised_loss(inner.factors, narrow) == pytest.approx(
                regularised_loss(expected, problem), rel=1e-12
            )


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_whole_runs_are_those_of_the_full_width(problem):
    """These runs pass no saddle at which rounding would grow: they differ by 4e-14 at most, and other BLAS by less than
    300 times that."""
    starts = [(seed, start(problem, seed)) for seed, start in enumerate(STARTS[:3])]
    rule = descent(problem, 0.3, tolerance=1e-3 * min(problem.factor_decays))
    full, found = (ends_of(e, problem, starts, rule) for e in (TorchEngine(), OrthogonalReduction(TorchEngine())))
    assert {end.status for end in full.values()} == {"converged"}
    assert all(regularised_loss(end.factors, problem) < 0.9 * zero(problem).loss for end in full.values())
    for seed, end in found.items():
        assert (end.status, end.steps) == (full[seed].status, full[seed].steps)
        assert end.gradient_norm == pytest.approx(full[seed].gradient_norm, rel=1e-9)
        assert regularised_loss(end.factors, problem) == pytest.approx(
            regularised_loss(full[seed].factors, problem), rel=1e-12
        )
        for a, b in zip(end.factors, full[seed].factors, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_divergence_comes_at_the_same_step(problem):
    rule = Descent(lr=300.0, tolerance=1e-6, steps_max=1000, check_every=1)
    starts = orthogonal(problem, range(3))
    full, found = (ends_of(e, problem, starts, rule) for e in (TorchEngine(), OrthogonalReduction(TorchEngine())))
    assert {end.status for end in full.values()} == {"diverged"}
    for seed, end in found.items():
        assert (end.status, end.steps, end.factors) == ("diverged", full[seed].steps, None)


def test_starts_that_overflow_have_diverged():
    rule, problem = Descent(lr=1.0, tolerance=1e-6, steps_max=10), PROBLEMS[3]
    (_, (features, *weights)), (_, second) = orthogonal(problem, range(2))
    starts = [(0, (1e200 * features, *weights)), (1, tuple(1e200 * a for a in second))]
    ends = ends_of(OrthogonalReduction(TorchEngine()), problem, starts, rule)
    assert [end.status for end in ends.values()] == ["diverged"] * 2


@pytest.mark.parametrize("size", [1e-200, 1e-5, 1e5, 1e200])
def test_hidden_weights_of_any_size(size):
    """Too large or small to square, they pass through; otherwise the size does not matter."""
    problem, rule = PROBLEMS[3], Descent(lr=1e-3, tolerance=1e-300, steps_max=1)
    features, first, second, output = Initialisation("orthogonal").factors(problem, seed=0)
    start = (features, size * first, second / size, output)
    spy = Spy()
    (end,) = OrthogonalReduction(spy).train(problem, [(0, start)], descent=rule)
    assert (spy.problems[0].d < problem.d) == (1e-100 < size < 1e100)
    if end.factors:
        for a, b in zip(end.factors, trained(start, problem, lr=1e-3, steps=1), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize("spoil", ["gaussian", "one entry", "not square roots of one", "zero"])
def test_other_starts_pass_through_unchanged(spoil):
    problem = PROBLEMS[3]
    _, (features, first, second, output) = orthogonal(problem, [0])[0]
    hidden = {
        "gaussian": gaussian(problem, seed=0)[2],
        "one entry": second + 1e-9 * np.eye(problem.d)[:, :1] @ np.eye(problem.d)[:1],
        "not square roots of one": np.diag([2.0, *(1.0,) * (problem.d - 1)]) @ second,
        "zero": 0.0 * second,
    }[spoil]
    start, spy = (features, first, hidden, output), Spy()
    ends = list(OrthogonalReduction(spy).train(problem, [(9, start)], descent=descent(problem, 0.5, steps_max=5)))
    assert spy.problems == [problem]
    assert all(a is b for a, b in zip(spy.starts[0], start, strict=True))
    assert ends == spy.ends


@pytest.mark.parametrize(
    ("problem", "width"),
    [
        (Problem(classes=10, layers=2, width=22), 21),
        (Problem(classes=10, layers=2, width=21), 21),
        (Problem(classes=10, layers=1, width=21), 20),
        (Problem(classes=10, layers=1, width=20), 20),
        (Problem(classes=4, layers=3, samples=(1, 3, 2, 1), width=70), 12),
        (Problem(classes=10, layers=2, width=140, activation="relu"), 140),
        (Problem(classes=10, layers=1, width=140, activation="relu"), 20),
        (Problem(classes=10, layers=2, samples=20, width=140), 140),
    ],
)
def test_width_of_the_narrow_problem(problem, width):
    assert reduced_problem(problem) == problem.replace(width=width)


def test_problems_that_are_not_narrower_go_to_the_inner_engine():
    problem, spy = Problem(classes=3, layers=2, width=7), Spy()
    starts = orthogonal(problem, range(3))
    list(OrthogonalReduction(spy).train(problem, iter(starts), descent=descent(problem, 0.5, steps_max=5)))
    assert spy.problems == [problem]
    assert [a for a, *_ in spy.starts] == [a for _, (a, *_) in starts]


def mixed(problem, count):
    """Stretches of both kinds, and every seed twice."""
    kinds = itertools.cycle(["orthogonal", "orthogonal", "gaussian"])
    return [(s // 2, Initialisation(k).factors(problem, seed=s)) for s, k in zip(range(count), kinds, strict=False)]


def test_mixed_starts_and_repeated_seeds():
    problem, spy = PROBLEMS[2], Spy(chunk=2)
    starts, rule, reports = mixed(problem, 7), descent(problem, 1.0, steps_max=250), []
    ends = list(OrthogonalReduction(spy).train(problem, starts, descent=rule, report=reports.append))
    assert [p.d for p in spy.problems] == [5, 6, 5, 6, 5]
    assert sorted(end.seed for end in ends) == [0, 0, 1, 1, 2, 2, 3]
    expected = [end for pair in starts for end in TorchEngine().train(problem, [pair], descent=rule)]
    for end in ends:
        gaps = [
            max(np.abs(a - b).max() for a, b in zip(end.factors, other.factors, strict=True))
            for other in expected
            if (other.seed, other.status, other.steps) == (end.seed, end.status, end.steps)
        ]
        assert min(gaps) < 1e-10
    assert reports[-1].ended == 7
    assert reports[-1].converged == sum(end.status == "converged" for end in ends)
    assert reports[-1].steps == sum(end.steps for end in ends)
    assert all(a.ended <= b.ended and a.steps < b.steps for a, b in itertools.pairwise(reports))


def test_starts_are_drawn_when_there_is_room():
    problem, drawn = PROBLEMS[3], []

    def starts():
        for seed in range(10):
            drawn.append(seed)
            yield seed, Initialisation("orthogonal").factors(problem, seed=seed)

    rule = Descent(lr=1.0, tolerance=1e-9, steps_max=5)
    ends = OrthogonalReduction(TorchEngine(chunk=2)).train(problem, starts(), descent=rule)
    assert drawn == []
    next(ends)
    assert len(drawn) == 4  # two have ended, two have taken their places
    assert len(list(ends)) == 9


def test_no_starts_no_endpoints():
    engine = OrthogonalReduction(TorchEngine())
    assert list(engine.train(PROBLEMS[3], [], descent=descent(PROBLEMS[3], 1.0))) == []
    assert isinstance(engine, Engine)
    assert engine.name == "torch float64 cpu, orthogonal starts reduced"


def test_factors_that_are_not_the_problems():
    rule, problem = descent(PROBLEMS[3], 1.0), PROBLEMS[3]
    narrow = problem.replace(width=8)
    with pytest.raises(InvalidInputError, match=r"factors: expected shapes \(\(13, 3\), .* found \(\(8, 3\),"):
        list(OrthogonalReduction(TorchEngine()).train(problem, orthogonal(narrow, [0]), descent=rule))
    empty = tuple(np.full(shape, np.nan) for shape in factor_shapes(problem))
    with pytest.raises(InvalidInputError, match="factors: expected finite entries, but found NaN or infinity"):
        list(OrthogonalReduction(TorchEngine()).train(problem, [(0, empty)], descent=rule))
