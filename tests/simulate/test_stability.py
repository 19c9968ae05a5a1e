from itertools import product

import numpy as np
import pytest

from deepcollapse.curvature import dense_hessian
from deepcollapse.landscape import polished
from deepcollapse.simulate import TorchEngine, classify, descent, gaussian_starts
from deepcollapse.simulate import stability as module
from deepcollapse.simulate.classify import nameable
from deepcollapse.simulate.stability import endpoint_stability, stabilities
from deepcollapse.ufm import Problem, balanced_factors, regularised_loss, structure


def shuffled(logits, generator):
    order = generator.permutation(len(logits))
    return logits[np.ix_(order, order)]


def stopped(factors, generator, *, size):
    """Factors as a run leaves them: off the critical point by a vector of this length."""
    noise = [generator.normal(size=factor.shape) for factor in factors]
    length = np.sqrt(sum(np.square(a).sum() for a in noise))
    return tuple(factor + size * a / length for factor, a in zip(factors, noise, strict=True))


def curvatures(factors, problem):
    return np.linalg.eigvalsh(dense_hessian(factors, problem))


def unnamed(verdict):
    """The same endpoint as if it had no name, so that its critical point must be solved for."""
    fields = {name: getattr(verdict, name) for name in verdict.__slots__}
    return type(verdict)(**(fields | {"structure": f"rank-{verdict.rank}"}))


PROBLEMS = [
    Problem(classes=k, layers=l, width=k + (k + l) % 2, samples=1 + (k + l) % 3 // 2, decay=2.0 ** (-10 + 4 * (l % 2)))
    for k, l in [*product((2, 3, 4), (1, 2, 3, 4)), (5, 2), (5, 3)]
] + [
    Problem(classes=6, layers=2),
    Problem(classes=4, layers=2, width=5, decay=(0.002, 0.001, 0.004)),
    Problem(classes=4, layers=2, loss="mse", decay=2.0**-9),
    Problem(classes=4, layers=1, width=2),  # pairs fill the width: a strict saddle of F, but no room to descend
    Problem(classes=4, layers=1, activation="relu", decay=0.004),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_stability_is_that_of_the_dense_hessian_at_the_critical_point(problem):
    generator, unit = np.random.default_rng(0), problem.mean_decay
    known = nameable(problem)
    for name, target in nameable(problem.replace(activation="linear")):
        exact = balanced_factors(shuffled(target.logits, generator), problem, generator)
        expected = curvatures(exact, problem)
        verdict = classify(stopped(exact, generator, size=1e-5), problem, known=known)
        for found in stabilities([verdict, unnamed(verdict)] if target.rank else [verdict], problem):
            assert found.undecided is None, name
            assert found.negative_eigenvalues == (expected < -1e-6 * unit).sum()
            assert found.least_eigenvalue == pytest.approx(expected[0], abs=1e-6 * unit)
            assert found.positive_semidefinite == (found.negative_eigenvalues == 0)
            assert found.positive_semidefinite != (found.verdict == "strict saddle")
            assert found.distance < 1e-4


def test_the_cases_above_have_both_answers_at_every_depth():
    """So the comparison cannot pass by always saying the same."""
    found = set()
    for problem in (Problem(classes=5, layers=layers) for layers in (1, 2, 3, 4)):
        known = nameable(problem)
        ends = [classify(balanced_factors(s.logits, problem), problem, known=known) for _, s in known]
        found |= {(problem.layers, answer.verdict) for answer in stabilities(ends, problem)}
    assert found >= set(product((1, 2, 3, 4), ("strict saddle", "Morse-Bott minimum")))


def test_a_saddle_of_the_logits_that_fills_the_width_is_semidefinite_in_the_factors():
    narrow, wide = (Problem(classes=4, layers=1, width=d) for d in (2, 3))
    logits = structure("paired", narrow).logits
    assert not polished(logits, narrow).minimum
    answers = [endpoint_stability(classify(balanced_factors(logits, p), p), p) for p in (narrow, wide)]
    assert [answer.positive_semidefinite for answer in answers] == [True, False]


@pytest.mark.parametrize(
    "problem",
    [
        Problem(classes=3, layers=2, samples=(1, 3, 2), decay=2.0**-6),
        Problem(classes=4, layers=3, samples=(2, 1, 1, 1), width=5, decay=2.0**-7),
        Problem(classes=5, layers=1, decay=2.0**-5),
    ],
    ids=str,
)
def test_ends_of_gradient_descent_are_minima(problem):
    rule = descent(problem, 1.0, tolerance=1e-5)
    ends = list(TorchEngine().train(problem, gaussian_starts(problem, range(3)), descent=rule))
    verdicts = [classify(end.factors, problem) for end in ends]
    for end, verdict, found in zip(ends, verdicts, stabilities(verdicts, problem), strict=True):
        assert end.status == "converged"
        assert found.positive_semidefinite, verdict.structure
        # Exact zeros of the spectrum move by the gradient norm over the factors' size, and by about the distance.
        assert curvatures(end.factors, problem)[0] == pytest.approx(found.least_eigenvalue, abs=0.02 * problem.decay)


def test_what_is_not_at_a_critical_point_has_no_answer():
    problem = Problem(classes=5, layers=2, samples=2)
    generator = np.random.default_rng(0)
    start = tuple(generator.normal(size=shape) for shape in ((5, 10), (5, 5), (5, 5)))
    stretched = balanced_factors(1.1 * structure("paired", problem).logits, problem)
    for factors in (start, stretched):
        found = endpoint_stability(classify(factors, problem), problem)
        assert (found.positive_semidefinite, found.undecided) == (None, "not critical")
        assert found.distance > 0.01


def test_critical_logits_of_unbalanced_factors_are_no_critical_point():
    problem = Problem(classes=4, layers=2)
    features, hidden, head = balanced_factors(structure("dnc", problem).logits, problem)
    verdict = classify((1.2 * features, hidden, head / 1.2), problem)
    assert verdict.loss > structure("dnc", problem).loss
    found = endpoint_stability(verdict, problem)
    assert (found.undecided, found.distance) == ("not critical", pytest.approx(0.0, abs=1e-6))


def test_zero_logits_of_factors_that_are_not_zero_are_no_critical_point():
    problem = Problem(classes=4, layers=2)
    factors = (np.eye(4), np.zeros((4, 4)), np.eye(4))
    verdict = classify(factors, problem)
    assert verdict.structure == "zero"
    assert regularised_loss(factors, problem) > structure("zero", problem).loss
    assert endpoint_stability(verdict, problem).undecided == "not critical"


def test_deep_relu_networks_have_no_answer():
    problem = Problem(classes=4, layers=2, activation="relu")
    verdict = classify((np.eye(4), np.eye(4), structure("dnc", problem).logits), problem)
    found = endpoint_stability(verdict, problem)
    assert (found.positive_semidefinite, found.undecided, found.distance) == (None, "relu", None)
    assert found.as_json()["undecided"] == "relu"


def test_what_is_too_large_is_said_to_be(monkeypatch):
    problem = Problem(classes=4, layers=2)
    verdict = classify(balanced_factors(structure("paired", problem).logits, problem), problem)
    monkeypatch.setattr("deepcollapse.simulate.stability.NEWTON_LIMIT", 15)
    assert endpoint_stability(unnamed(verdict), problem).undecided == "too large"
    assert endpoint_stability(verdict, problem).undecided is None
    monkeypatch.setattr("deepcollapse.curvature.hessian.DENSE_LIMIT", 15)
    assert endpoint_stability(verdict, problem).undecided == "too large"


def test_one_name_costs_one_spectrum(monkeypatch):
    problem, asked = Problem(classes=5, layers=2), []
    original = module.structure_spectrum
    monkeypatch.setattr(module, "structure_spectrum", lambda s, p: asked.append(s.name) or original(s, p))
    generator = np.random.default_rng(0)
    ends = [
        balanced_factors(shuffled(structure(name, problem).logits, generator), problem, generator)
        for name in ("dnc", "paired", "dnc", "paired", "dnc")
    ]
    found = stabilities([classify(end, problem) for end in ends], problem)
    assert asked == ["simplex", "paired"]
    assert [answer.negative_eigenvalues for answer in found] == [0] * 5
    assert stabilities([], problem) == ()
