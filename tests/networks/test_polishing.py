"""Polishing: descent of the feature model from a network's endpoint, against autograd, structures and plain descent."""

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from deepcollapse.curvature import dense_hessian, flatten
from deepcollapse.curvature.hessian import unflatten
from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.networks.polishing import polish
from deepcollapse.polishing import held, kinks
from deepcollapse.polishing import rest as rest_module
from deepcollapse.polishing.merged_samples import MergedSamples, compressed, merged_samples, single_samples
from deepcollapse.polishing.rest import Rest
from deepcollapse.ufm import (
    Factors,
    Problem,
    balanced_factors,
    gaussian_factors,
    gradient,
    read_factors,
    regularised_loss,
    structure,
    structures,
)

CASES = {
    "two classes": Problem(classes=2, layers=1, samples=4, width=3, decay=1e-2),
    "three classes": Problem(classes=3, layers=2, samples=3, width=5),
    "one sample": Problem(classes=5, layers=2, samples=1, width=7),
    "narrow": Problem(classes=6, layers=2, samples=2, width=3),
    "imbalance": Problem(classes=4, layers=3, samples=(5, 1, 2, 3), width=6),
    "own decays": Problem(classes=4, layers=2, samples=3, width=6, decay=(1e-4, 5e-3, 2e-3)),
    "deep": Problem(classes=3, layers=6, samples=2, width=4, decay=2.0**-11),
    "squared error": Problem(classes=3, layers=2, samples=2, width=4, loss="mse", decay=1e-3),
    "one ReLU layer": Problem(classes=3, layers=1, samples=2, width=4, activation="relu", decay=1e-2),
}


def start(problem: Problem, *, seed: int = 0, scale: float = 1.5) -> Factors:
    return gaussian_factors(problem, np.random.default_rng(seed), scale=scale)


def torch_gradient(factors: Factors, problem: Problem) -> list[np.ndarray]:
    leaves = [torch.tensor(factor, requires_grad=True) for factor in factors]
    hidden = leaves[0]
    for depth, weight in enumerate(leaves[1:], start=1):
        hidden = weight @ hidden
        hidden = hidden.relu() if problem.activation == "relu" and depth < problem.layers else hidden
    labels = torch.tensor(problem.labels)
    if problem.loss == "ce":
        data = torch.nn.functional.cross_entropy(hidden.T, labels)
    else:
        one_hot = torch.nn.functional.one_hot(labels, problem.classes).T
        data = 0.5 * (hidden - one_hot).square().sum() / problem.total_samples
    decay = sum(0.5 * own * leaf.square().sum() for own, leaf in zip(problem.factor_decays, leaves, strict=True))
    (data + decay).backward()
    return [leaf.grad.numpy() for leaf in leaves if leaf.grad is not None]


@pytest.mark.parametrize("name", CASES)
def test_the_end_is_critical_and_no_higher(name: str):
    problem = CASES[name]
    factors = start(problem)
    found = polish(factors, problem)
    assert found.converged
    assert found.explanation is None
    slopes = torch_gradient(found.factors, problem)
    squared = sum((slope**2).sum() / own for slope, own in zip(slopes, problem.factor_decays, strict=True))
    larger = max(
        sum(own * (factor**2).sum() for own, factor in zip(problem.factor_decays, chosen, strict=True))
        for chosen in (merged_mean(factors, problem), found.factors)
    )
    assert np.sqrt(squared / larger) <= 1.1e-10
    assert found.start_loss == pytest.approx(regularised_loss(factors, problem), rel=1e-14)
    assert found.loss == regularised_loss(found.factors, problem) < found.start_loss
    reading = read_factors(found.factors, problem)
    assert reading.within_class < 1e-13
    assert reading.imbalance < 1e-8


def merged_mean(factors: Factors, problem: Problem) -> Factors:
    features = np.stack([factors[0][:, problem.labels == label].mean(axis=1) for label in problem.labels], axis=1)
    return (features, *factors[1:])


def test_stability_is_that_of_the_dense_hessian():
    problem = Problem(classes=6, layers=2, samples=2, width=7)
    verdicts = {}
    for name in ("simplex", "paired", "partition-3-3"):
        factors = balanced_factors(structure(name, problem).logits, problem, np.random.default_rng(0))
        found = polish(factors, problem)
        least = np.linalg.eigvalsh(dense_hessian(found.factors, problem))[0] / problem.mean_decay
        assert found.structure == name
        assert found.stable == (least > -1e-6)
        verdicts[name] = found.stable
    assert verdicts == {"simplex": True, "paired": True, "partition-3-3": False}


@pytest.mark.parametrize("name", ["simplex", "paired"])
@pytest.mark.parametrize(("layers", "samples"), [(2, 3), (3, 1)])
def test_minimisers_are_found_again_from_nearby(name: str, layers: int, samples: int):
    problem = Problem(classes=4, layers=layers, samples=samples, width=6)
    rng = np.random.default_rng(layers)
    known = structure(name, problem)
    factors = balanced_factors(known.logits, problem, rng)
    shaken = tuple(factor + 0.01 * rng.standard_normal(factor.shape) for factor in factors)
    found = polish(shaken, problem)
    assert (found.converged, found.structure, found.stable) == (True, name, True)
    assert found.loss == pytest.approx(known.loss, rel=1e-12)
    np.testing.assert_allclose(read_factors(found.factors, problem).logits, known.logits, rtol=0, atol=1e-8)
    assert 0 < found.moved < 0.1


def test_a_critical_point_stays_where_it_is():
    problem = CASES["own decays"]
    for known in structures(problem):
        if known.critical:
            found = polish(balanced_factors(known.logits, problem), problem)
            assert found.steps == 0
            assert found.structure == known.name
            assert found.moved < 1e-14


def test_zero_is_critical():
    problem = CASES["three classes"]
    found = polish(tuple(np.zeros_like(factor) for factor in start(problem)), problem)
    assert (found.converged, found.gradient_norm, found.moved, found.structure) == (True, 0.0, 0.0, "zero")


def test_plain_gradient_descent_of_the_unreduced_model_ends_at_the_same_point():
    problem = Problem(classes=4, layers=2, samples=(2, 2, 2, 3), width=5, decay=2.0**-6)
    factors = tuple(0.8 * factor for factor in start(problem, seed=5))
    descended = factors
    for _ in range(6000):
        slopes = gradient(descended, problem)
        descended = tuple(factor - 0.5 * slope for factor, slope in zip(descended, slopes, strict=True))
    direct, after = polish(factors, problem), polish(descended, problem)
    assert direct.loss == pytest.approx(regularised_loss(descended, problem), rel=1e-10)
    assert after.moved < 1e-6
    assert direct.verdict is not None
    assert after.verdict is not None
    assert direct.verdict.structure == after.verdict.structure
    np.testing.assert_allclose(direct.verdict.singular_values, after.verdict.singular_values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["narrow", "imbalance", "own decays", "deep"])
def test_reductions_keep_class_mean_logits_and_never_raise_the_loss_on_the_way(name: str):
    problem = CASES[name]
    factors = start(problem)
    model, joined = merged_samples(*single_samples(factors, problem))
    small, frames = compressed(joined)
    widened = [q @ b @ p.T for p, q, b in zip(frames, frames[1:], small[1:-1], strict=False)]
    stations = [factors, model.unmerged(joined)]
    stations.append(model.unmerged((frames[0] @ small[0], *widened, small[-1] @ frames[-1].T)))
    losses = []
    for before, after in pairwise(stations):
        for share in np.linspace(0, 1, 20):
            mixed = tuple((1 - share) * a + share * b for a, b in zip(before, after, strict=True))
            losses.append(regularised_loss(mixed, problem))
    assert (np.diff(losses) <= 1e-13 * losses[0]).all()
    assert losses[-1] == pytest.approx(model.value_and_gradient(small)[0], rel=1e-13)
    for station in stations:
        np.testing.assert_allclose(
            read_factors(station, problem).logits, read_factors(factors, problem).logits, rtol=0, atol=1e-12
        )


def test_merged_relu_samples_have_the_loss_and_slope_of_all_samples():
    problem = Problem(
        classes=3, layers=3, samples=(4, 2, 5), width=4, activation="relu", decay=(1e-3, 2e-3, 3e-3, 4e-3)
    )
    factors = start(problem, seed=3)
    model, joined = merged_samples(*single_samples(factors, problem))
    assert model.counts.size < problem.total_samples
    all_samples = model.unmerged(joined)
    value, slopes = model.value_and_gradient(joined)
    assert value == pytest.approx(regularised_loss(all_samples, problem), rel=1e-13)
    assert value <= regularised_loss(factors, problem)
    point, direction = flatten(joined), np.random.default_rng(0).standard_normal(flatten(joined).size)
    shapes = tuple(factor.shape for factor in joined)
    ends = [
        regularised_loss(model.unmerged(unflatten(point + step * direction, shapes)), problem) for step in (1e-6, -1e-6)
    ]
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(flatten(slopes) @ direction), rel=1e-6)


@pytest.mark.parametrize(("classes", "layers", "samples", "width"), [(5, 2, 3, 8), (4, 2, (4, 2, 1, 3), 6)])
def test_smooth_ends_of_relu_heads(classes: int, layers: int, samples: int | tuple[int, ...], width: int):
    problem = Problem(classes=classes, layers=layers, samples=samples, width=width, activation="relu")
    found = polish(start(problem), problem)
    assert found.converged
    slopes = np.concatenate([slope.ravel() for slope in torch_gradient(found.factors, problem)])
    assert np.linalg.norm(slopes) < 1e-10 * problem.mean_decay * np.linalg.norm(flatten(found.factors))
    assert found.loss < found.start_loss
    assert (found.stable, found.structure) == (None, None)
    assert found.rest is not None
    assert found.rest.kind in ("minimum", "stationary")


def test_steps_can_run_out():
    problem = CASES["imbalance"]
    seen: list[tuple[int, float]] = []
    found = polish(start(problem), problem, steps_max=7, progress=lambda steps, norm: seen.append((steps, norm)))
    assert (found.converged, found.steps, found.stable, found.structure) == (False, 7, None, None)
    assert found.explanation is not None
    assert found.explanation.startswith(
        "not converged: all 7 steps were taken, and the relative gradient norm is still"
    )
    assert found.gradient_norm > 1e-10
    assert found.loss < found.start_loss
    assert [steps for steps, _ in seen] == [7]


def test_rounding_can_keep_the_tolerance_out_of_reach():
    problem = CASES["three classes"]
    found = polish(start(problem), problem, tolerance=1e-30)
    assert not found.converged
    assert found.gradient_norm < 1e-12
    assert found.explanation is not None
    assert "the loss no longer falls by more than rounding; ask for a larger tolerance" in found.explanation


def test_json_holds_the_numbers_without_the_factors():
    problem = CASES["narrow"]
    found = polish(start(problem), problem)
    plain = json.loads(json.dumps(found.as_json()))
    assert set(plain) == {
        *("loss", "start_loss", "converged", "gradient_norm", "steps", "explanation", "moved", "reduction", "stable"),
        *("structure", "verdict", "rest"),
    }
    assert plain["loss"] == plain["verdict"]["objective"] == found.loss
    assert "at most 3 dimensions" in plain["reduction"]


def test_where_collapse_does_not_exist_there_is_no_verdict():
    problem = Problem(classes=4, layers=2, samples=3, width=5, decay=0.2)
    found = polish(start(problem), problem)
    assert (found.converged, found.structure, found.verdict) == (True, "zero", None)
    assert found.as_json()["verdict"] is None


def test_ten_thousand_samples_and_wide_layers_are_quick():
    problem = Problem(classes=10, layers=3, samples=1000, width=64, decay=(5e-6, 5e-3, 5e-3, 5e-3))
    found = polish(start(problem), problem)
    assert found.converged
    assert found.stable
    assert found.factors[0].shape == (64, 10_000)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, float("nan")])
def test_bad_tolerances(tolerance: float):
    with pytest.raises(InvalidInputError, match="tolerance: expected a relative gradient norm between 0 and 1"):
        polish(start(CASES["narrow"]), CASES["narrow"], tolerance=tolerance)


def test_bad_arguments(monkeypatch: pytest.MonkeyPatch):
    problem = CASES["narrow"]
    factors = start(problem)
    with pytest.raises(InvalidInputError, match="steps_max: expected at least 1, but found 0"):
        polish(factors, problem, steps_max=0)
    with pytest.raises(
        InvalidInputError, match=r"factors: expected logits and norms within float64, but found entries up to .*rescale"
    ):
        polish(tuple(1e200 * factor for factor in factors), problem)
    with pytest.raises(InvalidInputError, match="factors: expected shapes"):
        polish(factors[:-1], problem)
    monkeypatch.setattr("deepcollapse.networks.polishing.LARGEST_POLISHED", 44)
    with pytest.raises(TooLargeError, match="factors: expected at most 44 numbers to descend in, but found 45"):
        polish(factors, problem)


@pytest.mark.parametrize(("classes", "width", "seed"), [(3, 4, 1), (4, 5, 1)])
def test_an_end_at_kinks_is_named_so_and_lets_no_direction_descend(classes: int, width: int, seed: int):
    problem = Problem(classes=classes, layers=3, width=width, activation="relu", decay=2.0**-9)
    found = polish(start(problem, seed=seed, scale=2.0), problem)
    assert not found.converged
    assert found.explanation is not None
    assert found.explanation.startswith("ended at a kink, at a ")
    assert "where the objective can bend, so it has no gradient there" in found.explanation
    assert found.rest is not None
    assert found.rest.kind in ("minimum", "stationary")
    assert found.rest.kinks > 0
    assert found.loss < found.start_loss
    rng, step = np.random.default_rng(0), 1e-6
    for _ in range(50):
        moved = tuple(factor + step * rng.standard_normal(factor.shape) for factor in found.factors)
        assert regularised_loss(moved, problem) >= found.loss - 100 * step**2


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_no_stage_ends_higher_though_the_way_along_kinks_can_rise(activation: str, monkeypatch: pytest.MonkeyPatch):
    problem = Problem(classes=4, layers=3, width=5, activation=activation, decay=2.0**-9)
    stages: list[float] = []
    way: list[float] = []

    def watched(stage: Callable[..., Rest]) -> Callable[..., Rest]:
        def step(here: Rest, **options: float) -> Rest:
            there = stage(here, **options)
            stages.append(there.value / here.value - 1.0)
            return there

        return step

    def watched_hold(model: MergedSamples, factors: Factors, bends: held.Bends) -> object:
        way.append(model.value_and_gradient(factors)[0])
        return hold(model, factors, bends)

    for name in ("_leg", "_newton", "_joined", "_at_kinks"):
        monkeypatch.setattr(f"deepcollapse.polishing.rest.{name}", watched(getattr(rest_module, name)))
    hold = kinks.held_at
    monkeypatch.setattr("deepcollapse.polishing.kinks.held_at", watched_hold)
    found = polish(start(problem, seed=5, scale=2.0), problem)
    assert len(stages) > 1
    assert max(stages) <= 1e-13  # rounding of ten losses
    assert found.loss <= found.start_loss
    # the control: along the kinks themselves F does rise
    assert bool(way) == (activation == "relu")
    assert max((after / before - 1.0 for before, after in pairwise(way)), default=1.0) > 1e-7


def test_an_unfinished_end_is_not_stationary(monkeypatch: pytest.MonkeyPatch):
    problem = Problem(classes=4, layers=3, width=5, activation="relu", decay=2.0**-9)
    found = polish(start(problem, seed=1, scale=2.0), problem, tolerance=1e-30)
    assert not found.converged
    assert found.explanation is not None
    assert found.explanation.startswith("ended at a kink, at a ")
    monkeypatch.setattr("deepcollapse.polishing.kinks._STEPS", 1)
    rough = polish(start(problem, seed=1, scale=2.0), problem, steps_max=20)
    assert rough.rest is not None
    assert rough.rest.kind == "not stationary"
    assert rough.rest.rate < -1e-8
    assert rough.explanation is not None
    assert rough.explanation.startswith("not converged")
