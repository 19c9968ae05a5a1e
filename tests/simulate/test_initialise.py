import itertools

import numpy as np
import pytest
import torch

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.simulate import TorchEngine, classify, descent, gaussian, gaussian_starts
from deepcollapse.simulate.classify import nameable
from deepcollapse.simulate.initialise import Initialisation
from deepcollapse.ufm import Problem, balanced_factors, factor_shapes, forward, read_factors, structure
from simulate.oracle import trained

PROBLEM = Problem(classes=4, samples=3, layers=3, width=50)
SHAPES = [
    PROBLEM,
    Problem(classes=2, layers=1, width=1),
    Problem(classes=3, layers=2, width=2, samples=(1, 4, 2)),  # narrower than the classes
    Problem(classes=5, layers=4, samples=2, decay=(0.1, 0.02, 0.3, 0.01, 0.2)),
    Problem(classes=3, layers=2, width=7, activation="relu"),
]
LAWS = ("gaussian", "pytorch", "orthogonal", "spectral")


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def draws(kind: str, problem: Problem, seeds: int):
    return [factors for _, factors in Initialisation(kind).starts(problem, range(seeds))]


def within_five_errors(values, mean: float) -> bool:
    """Whether a sample's mean is within five standard errors of the true one."""
    return bool(abs(np.mean(values) - mean) < 5 * np.std(values) / np.sqrt(len(values)))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_gaussian_entries_have_the_stated_variance(scale):
    for factor in gaussian(PROBLEM, seed=3, scale=scale):
        share = (factor**2).mean() * PROBLEM.d / scale**2
        assert abs(share - 1) < 5 * np.sqrt(2 / factor.size)  # five standard errors of a mean of squares
        assert abs(factor.mean()) < 5 * scale / np.sqrt(PROBLEM.d * factor.size)


def test_gaussian_numbers_are_those_of_one_stream_per_seed():
    generator = np.random.Generator(np.random.PCG64(11))
    expected = [generator.normal(0.0, 0.7 / np.sqrt(50), shape) for shape in ((50, 12), (50, 50), (50, 50), (4, 50))]
    assert same(Initialisation(scale=0.7).factors(PROBLEM, seed=11), expected)
    assert same(gaussian(PROBLEM, seed=11, scale=0.7), expected)
    assert same(dict(gaussian_starts(PROBLEM, [11], scale=0.7))[11], expected)


def test_pytorch_weights_are_those_of_a_linear_layer():
    features, *weights = Initialisation("pytorch").factors(PROBLEM, seed=2)
    np.testing.assert_array_equal(features, gaussian(PROBLEM, seed=2)[0])
    for weight in weights:
        layer = torch.nn.Linear(*weight.shape[::-1])
        layer.reset_parameters()
        bound = 1 / np.sqrt(50)
        # of m uniform numbers the largest falls short of the bound by a share 20 / m with probability exp(-20)
        for extreme in (np.abs(weight).max(), float(layer.weight.detach().abs().max())):
            assert bound * (1 - 20 / weight.size) < extreme <= bound * (1 + 1e-6)
        assert abs((weight**2).mean() / bound**2 - 1 / 3) < 5 * np.sqrt(4 / 45 / weight.size)
        assert abs(weight.mean()) < 5 * bound / np.sqrt(3 * weight.size)


@pytest.mark.parametrize("problem", SHAPES, ids=str)
def test_orthogonal_factors_are_orthonormal_along_the_shorter_side(problem):
    for factor, shape in zip(
        Initialisation("orthogonal", 1.5).factors(problem, seed=4), factor_shapes(problem), strict=True
    ):
        assert factor.shape == shape
        gram = factor.T @ factor if shape[0] >= shape[1] else factor @ factor.T
        np.testing.assert_allclose(gram, 1.5**2 * np.eye(min(shape)), atol=1e-13)


def test_orthogonal_hidden_weights_are_haar_random():
    """The trace has mean 0 and square mean 1; the Q of a plain QR has a mean trace far below zero."""
    hidden = [factors[1] for factors in draws("orthogonal", Problem(classes=3, layers=2), 2000)]
    traces = np.trace(hidden, axis1=1, axis2=2)
    assert within_five_errors(traces, 0.0)
    assert within_five_errors(traces**2, 1.0)
    plain = [np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0] for seed in range(2000)]
    assert not within_five_errors(np.trace(plain, axis1=1, axis2=2), 0.0)


@pytest.mark.parametrize("problem", SHAPES, ids=str)
def test_spectral_factors_share_singular_values_and_bases(problem):
    factors = Initialisation("spectral", 0.8).factors(problem, seed=6)
    assert tuple(factor.shape for factor in factors) == factor_shapes(problem)
    rank = min(problem.classes, problem.d)
    for before, after in itertools.pairwise(factors):
        np.testing.assert_allclose(after.T @ after, before @ before.T, atol=1e-13)
    values = [np.linalg.svd(factor, compute_uv=False) for factor in factors]
    for value in values:
        np.testing.assert_allclose(value[:rank], values[0][:rank], rtol=1e-12)
        np.testing.assert_allclose(value[rank:], 0.0, atol=1e-14)
    product = np.linalg.svd(forward(factors, problem.replace(activation="linear")), compute_uv=False)
    np.testing.assert_allclose(product[:rank], values[0][:rank] ** problem.factors, rtol=1e-11)


def test_spectral_logits_are_gaussian():
    problem = Problem(classes=3, layers=2, samples=2, width=8)
    logits = np.array([forward(f, problem) for _, f in Initialisation("spectral", 1.3).starts(problem, range(1500))])
    unit = 1.3**3 / np.sqrt(8)
    assert within_five_errors(logits[:, 0, 0] / unit, 0.0)
    for entry in (logits[:, 0, 0], logits[:, 2, 5]):
        assert within_five_errors((entry / unit) ** 2, 1.0)
        assert within_five_errors((entry / unit) ** 4, 3.0)
    assert within_five_errors(logits[:, 0, 0] * logits[:, 1, 0] / unit**2, 0.0)


def test_spectral_factors_keep_aligned():
    """The flow keeps A_{l+1}^T A_{l+1} - A_l A_l^T = 0 (equal decays); steps leave O(lr), so halving lr halves it."""
    problem = Problem(classes=3, layers=3, width=6, decay=0.01)
    left = []
    for lr in (0.02, 0.01):
        aligned, plain = (
            read_factors(
                trained(Initialisation(kind).factors(problem, seed=1), problem, lr=lr, steps=int(2 / lr)), problem
            ).imbalance
            for kind in ("spectral", "gaussian")
        )
        assert aligned < 0.05 * plain
        left.append(aligned)
    assert left[1] == pytest.approx(left[0] / 2, rel=0.2)


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize("problem", SHAPES, ids=str)
def test_the_scale_only_scales_and_decays_do_not_matter(kind, problem):
    one = Initialisation(kind).factors(problem, seed=1)
    quarter = Initialisation(kind, 0.25).factors(problem.replace(decay=0.5), seed=1)
    for a, b in zip(one, quarter, strict=True):
        np.testing.assert_allclose(a * 0.25, b, rtol=1e-15)


@pytest.mark.parametrize("law", [*map(Initialisation, LAWS), Initialisation("near-dnc", distance=0.2)], ids=str)
def test_a_start_depends_on_its_seed_alone(law):
    together = dict(law.starts(PROBLEM, [5, 0, 2**62]))
    for seed in (2**62, 0):
        assert same(together[seed], law.factors(PROBLEM, seed=seed))
        assert all(factor.dtype == np.float64 for factor in together[seed])
    assert not np.allclose(together[0][0], together[5][0])


@pytest.mark.parametrize(
    "problem",
    [
        Problem(classes=2, layers=1),
        Problem(classes=5, layers=2, samples=3, width=9, decay=(1e-3, 4e-3, 5e-4)),
        Problem(classes=6, layers=3, width=8),
        Problem(classes=6, layers=2, loss="mse", samples=2),
        Problem(classes=4, layers=1, width=5, activation="relu"),  # one layer has nothing to rectify
    ],
    ids=str,
)
def test_near_starts_lie_at_their_distance_from_the_balanced_factors(problem):
    for name in (name for name, known in nameable(problem) if known.rank):
        law = Initialisation(f"near-{name}", distance=0.3)
        logits, shares = structure(name, problem).logits, []
        for seed, factors in law.starts(problem, range(5)):
            centre = balanced_factors(logits, problem, np.random.Generator(np.random.PCG64(seed)))
            shares.append([((a - b) ** 2).sum() / (b**2).sum() for a, b in zip(factors, centre, strict=True)])
        for share, factor in zip(np.mean(shares, axis=0), centre, strict=True):
            assert abs(share / 0.09 - 1) < 5 * np.sqrt(2 / (5 * factor.size))  # a mean of 5 x size squares


def test_gradient_descent_returns_to_a_minimum_and_leaves_a_saddle():
    """Of K = 6 at L = 2, DNC is stable at this decay and two groups of three are a strict saddle."""
    problem = Problem(classes=6, layers=2, width=8, decay=2.0**-7)
    ends = {}
    for name in ("dnc", "partition-3-3"):
        starts = Initialisation(f"near-{name}", distance=0.05).starts(problem, range(6))
        found = TorchEngine().train(problem, starts, descent=descent(problem, 1.0))
        ends[name] = [classify(end.factors, problem).structure for end in found if end.status == "converged"]
    assert ends["dnc"] == ["dnc"] * 6
    assert len(ends["partition-3-3"]) == 6
    assert "partition-3-3" not in ends["partition-3-3"]


def test_labels():
    assert Initialisation("pytorch", 0.5).label == "pytorch, scale 0.5"
    assert Initialisation("near-T5", distance=1e-3).label == "near-T5, distance 0.001"


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_bad_scale(scale):
    message = "init_scale: expected a finite number > 0, but found .*; 1 is usual, and from 0 nothing moves"
    with pytest.raises(InvalidInputError, match=message):
        gaussian(PROBLEM, seed=0, scale=scale)
    with pytest.raises(InvalidInputError, match=message):
        gaussian_starts(PROBLEM, [0], scale=scale)
    with pytest.raises(InvalidInputError, match=message):
        Initialisation("orthogonal", scale)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "xavier"},
            "expected gaussian, pytorch, orthogonal, spectral or near-<structure>, but found 'xavier'",
        ),
        ({"scale": True}, "init_scale: expected a finite number > 0, but found True; 1 is usual"),
        ({"kind": "near"}, "init: expected gaussian, .*, but found 'near'; choose one of these"),
        ({"kind": "near-dnc"}, "init_distance: expected a finite number > 0, but found None; 0.1 changes each factor"),
        ({"kind": "near-dnc", "distance": 0.0}, "init_distance: expected a finite number > 0, but found 0.0; 0.1"),
        ({"kind": "near-dnc", "distance": 0.1, "scale": 2.0}, "init_scale: expected 1 for near-dnc, but found 2.0; a"),
        ({"kind": "pytorch", "distance": 0.1}, "init_distance: expected none for pytorch, but found 0.1; only near-"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        Initialisation(**settings)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "octagon",
            {},
            r"expected one of near-dnc, near-paired, .*near-circle.* found 'near-octagon' \(structure: exp",
        ),
        ("T5", {}, r"found 'near-T5' \(structure: expected K = m \(m - 1\) / 2 = 10 classes for T5, but found 6;"),
        ("", {}, "init: expected one of near-dnc"),
        ("dnc", {"width": 4}, r"one of near-.*, but found 'near-dnc' \(rank 5 at width 4\); choose one that exists"),
        ("zero", {}, r"found 'near-zero' \(rank 0 at width 6\); choose one that exists, or another initialisation"),
        ("paired-trial", {"classes": 5}, r"'near-paired-trial' \(no critical point of this problem\)"),
        (
            "dnc",
            {"activation": "relu"},
            "init: expected a linear problem for near-dnc, but found activation 'relu'; the",
        ),
    ],
)
def test_structures_that_cannot_be_started_from(name, changes, message):
    problem = Problem(classes=6, layers=2).replace(**changes)
    law = Initialisation(f"near-{name}", distance=0.1)
    with pytest.raises(InvalidInputError, match=message):
        law.factors(problem, seed=0)
    with pytest.raises(InvalidInputError, match=message):
        law.starts(problem, [0])  # at once, before a start is asked for


def test_a_structure_that_does_not_exist_at_the_decay():
    law = Initialisation("near-dnc", distance=0.1)
    with pytest.raises(UndefinedError, match=r"a problem with named structures, but found 'near-dnc' \(simplex: "):
        law.factors(Problem(classes=6, layers=2, decay=10.0), seed=0)


def test_bad_seed():
    with pytest.raises(InvalidInputError, match="seed: expected a whole number >= 0, but found -1; count from 0"):
        gaussian(PROBLEM, seed=-1)
    with pytest.raises(InvalidInputError, match="seed: expected a whole number >= 0, but found True; count from 0"):
        list(Initialisation("spectral").starts(PROBLEM, [True]))
