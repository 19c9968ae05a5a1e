"""How runs end: converged, stalled, collapsed or not; optimisers against torch's own; decay; speed."""

import sys

import numpy as np
import pytest
import torch

from deepcollapse.errors import ConvergenceError, InvalidInputError, UndefinedError
from deepcollapse.networks import Descent, LabelledImages, Network, UfmDecay, deep_head, train
from deepcollapse.networks.batches import Batches, TrainingSet
from deepcollapse.networks.decay import Decay, StandardDecay
from deepcollapse.networks.evaluation import Evaluation, evaluated
from deepcollapse.networks.execution import Execution, keep_freed_memory
from deepcollapse.networks.health import Window, health
from deepcollapse.networks.schedule import Cosine
from deepcollapse.networks.speed import BestPeak, flops_per_image, matmul_peak
from deepcollapse.ufm import Problem, balanced_factors, gaussian_factors, gradient, structure
from networks.oracle import blank_images, free_network
from networks.small_networks import normalised, plain, random_images

DATA = random_images()
DECAY = UfmDecay(5e-3, 5e-4)


def free(problem: Problem, *, scale: float = 1.0, seed: int = 0) -> Network:
    return free_network(gaussian_factors(problem, np.random.default_rng(seed), scale=scale), problem)


def model(layers: int, *, decay: UfmDecay, classes: int = 4) -> Problem:
    decays = (decay.features, *(decay.weights,) * layers)
    return Problem(classes=classes, layers=layers, samples=2, width=6, decay=decays)


@pytest.mark.parametrize("patience", [0, 2])
def test_zero_logits_are_a_collapse(patience: int):
    heavy = UfmDecay(0.5, 0.5)
    problem = model(3, decay=heavy)
    descent = Descent(steps_max=1000, window=50, patience=patience)
    found = train(free(problem), blank_images(problem), decay=heavy, descent=descent)
    assert (found.outcome, found.converged) == ("collapsed", False)
    assert "all logits fell to zero" in found.explanation
    assert "log K = 1.386294" in found.explanation
    assert "raise the head's initial scale" in found.explanation
    assert (found.steps == 1000) == (patience == 0)
    assert found.trajectory.objective[-1] == pytest.approx(np.log(4), rel=1e-2)


def test_leaving_small_logits_is_no_collapse():
    light = UfmDecay(1e-3, 1e-3)
    problem = model(1, decay=light)
    descent = Descent(rate=0.001, momentum=0.0, steps_max=20, window=20, patience=1)
    found = train(free(problem, scale=1e-2), blank_images(problem), decay=light, descent=descent)
    assert found.trajectory.objective[0] == pytest.approx(np.log(4), rel=1e-3)
    assert found.outcome != "collapsed"


def saddle() -> tuple[Network, Problem]:
    """Two of four classes told apart, the rest at zero: for three layers and more nothing pulls the rest away."""
    problem = model(3, decay=UfmDecay(2e-3, 2e-3))
    logits = np.zeros((4, 4))
    logits[:2, :2] = 6.0 * (np.eye(2) - 0.5)
    return free_network(balanced_factors(logits, problem), problem), problem


@pytest.mark.parametrize("patience", [0, 1])
def test_a_plateau_of_low_rank_is_a_stall(patience: int):
    network, problem = saddle()
    descent = Descent(rate=0.2, steps_max=2000, window=100, patience=patience)
    found = train(network, blank_images(problem), decay=UfmDecay(2e-3, 2e-3), descent=descent)
    assert (found.outcome, found.converged) == ("stalled", False)
    assert "effective rank 1.00 of 3" in found.explanation
    assert found.trajectory.train_error[-1] > 0
    assert (found.steps == 2000) == (patience == 0)


def test_wrong_labels_at_full_rank_are_no_stall():
    decay = StandardDecay(1e-2)
    images = np.repeat(np.eye(3), 4, axis=0)
    labels = np.repeat(np.arange(3), 4)
    images[[0, 4, 8]] = images[[4, 8, 0]]  # one image of each class has another class's pixels
    generator = torch.Generator().manual_seed(0)
    head = deep_head(3, layers=1, width=3, generator=generator)
    network = Network(torch.nn.Identity(), head)
    found = train(network, LabelledImages(images, labels, 3), decay=decay, descent=Descent(rate=0.5, steps_max=1500))
    assert found.outcome == "not converged"
    assert "training error 0.25" in found.explanation
    assert "at full rank; take a larger backbone, or check the labels" in found.explanation


def test_a_short_run_says_so():
    found = train(plain(), DATA, decay=DECAY, descent=Descent(steps_max=5))
    assert (found.outcome, found.explanation) == ("not converged", "the horizon of 5 updates is shorter than a window")


def test_a_run_that_still_moves_says_so():
    found = train(plain(), DATA, decay=DECAY, descent=Descent(steps_max=100, window=50, tolerance=1e-9))
    assert found.outcome == "not converged"
    assert "the objective changed by" in found.explanation


@pytest.mark.parametrize("batches", [Batches(), Batches(size=4)], ids=repr)
def test_convergence(batches: Batches):
    descent = Descent(rate=0.05, steps_max=5000, window=60, tolerance=1e-3)
    found = train(plain(), DATA, decay=DECAY, descent=descent, batches=batches)
    assert (found.outcome, found.converged) == ("converged", True)
    assert found.explanation.startswith("training error 0, and the objective changed by")
    assert found.trajectory.train_error[-1] == 0.0
    assert found.steps < 5000


def test_the_head_gradient_is_a_stricter_rule():
    steps = []
    for share in (None, 1e-3):
        problem = model(1, decay=UfmDecay(0.02, 0.005))
        network = free(problem)
        descent = Descent(rate=0.5, steps_max=20_000, window=50, tolerance=1e-2, head_gradient=share)
        done = train(network, blank_images(problem), decay=UfmDecay(0.02, 0.005), descent=descent)
        assert done.converged
        steps.append(done.steps)
        factors = network.factors(blank_images(problem).images)
        slope = np.sqrt(sum(np.square(g).sum() for g in gradient(factors, problem)[1:]))
        size = 0.02 * np.sqrt(sum(np.square(w).sum() for w in factors[1:]))
        images = TrainingSet.of(blank_images(problem), network)
        seen = evaluated(network, images, decay=UfmDecay(0.02, 0.005), problem=problem)
        assert seen.head_gradient == pytest.approx(slope / size, rel=1e-12)
    assert seen.head_gradient < 1e-3
    assert steps[0] < steps[1]


@pytest.mark.parametrize(
    ("rule", "build"),
    [
        ("heavy ball", lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8, weight_decay=0.01)),
        ("nesterov", lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8, nesterov=True, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.01)),
    ],
)
def test_rules_are_torchs(rule: str, build):
    ours, theirs = plain(), plain()
    descent = Descent(rule=rule, rate=0.02, momentum=0.8, squares=0.99, epsilon=1e-6, steps_max=30, schedule=Cosine())
    train(ours, DATA, decay=StandardDecay(0.01), descent=descent)
    optimiser = build(list(theirs.parameters()))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
    images = TrainingSet.of(DATA, theirs)
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(theirs.head(theirs.backbone(images.images)), images.labels).backward()
        optimiser.step()
        scheduler.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("vectors", "count"), [(True, 6), (False, 4)])
def test_what_standard_decay_decays(vectors: bool, count: int):
    network = plain()
    decay = StandardDecay(0.1, vectors=vectors)
    assert isinstance(decay, Decay)
    decayed = list(decay.parameters(network))
    assert len(decayed) == count
    images, problem = TrainingSet.of(DATA, network), decay.sizes(network.head, 4)
    seen = evaluated(network, images, decay=decay, problem=problem)
    with torch.no_grad():
        data = torch.nn.functional.cross_entropy(network.head(network.backbone(images.images)), images.labels).item()
    norms = sum(p.square().sum().item() for p in decayed)
    assert seen.objective == pytest.approx(data + 0.05 * norms, rel=1e-12)


def test_the_balanced_problem_gives_back_the_features_decay():
    problem = model(3, decay=UfmDecay(2e-3, 7e-3))
    factors = balanced_factors(structure("simplex", problem).logits, problem)
    network = free_network(factors, problem)
    found = StandardDecay(2e-3).balanced_problem(network.head, factors, samples=2)
    assert found.factor_decays == pytest.approx(problem.factor_decays, rel=1e-10)
    with pytest.raises(UndefinedError, match=r"decay of features: expected features and a first layer that are not ze"):
        StandardDecay(2e-3).balanced_problem(network.head, (0 * factors[0], *factors[1:]), samples=2)


def test_looks_see_the_network_and_disturb_nothing():
    calls = []

    def look(step: int, network: Network) -> None:
        torch.rand(3)
        calls.append((step, any(module.training for module in network.backbone.modules())))

    one, other = normalised(), normalised()
    descent = Descent(steps_max=20, looks=5)
    first = train(one, DATA, decay=DECAY, descent=descent, batches=Batches(size=5), look=look)
    second = train(other, DATA, decay=DECAY, descent=descent, batches=Batches(size=5))
    assert [step for step, _ in calls] == first.trajectory.steps.tolist()
    assert not any(training for _, training in calls)
    assert first.trajectory.as_json() == second.trajectory.as_json()
    assert 0 < first.look_seconds < first.seconds


def test_torchs_own_random_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(normalised(), DATA, decay=DECAY, descent=Descent(steps_max=5), batches=Batches(size=5))
    assert torch.equal(torch.get_rng_state(), before)


def test_memory_format_and_mixed_precision():
    found = []
    for execution in (Execution(), Execution(channels_last=True), Execution(autocast="bfloat16")):
        network = normalised()
        network.backbone[-2].p = 0.0  # its masks depend on the memory format
        done = train(network, DATA, decay=DECAY, descent=Descent(steps_max=5, looks=3), execution=execution)
        found.append(done.trajectory.objective)
        assert all(p.dtype == torch.float32 for p in network.parameters())
    # five updates at rate 0.05 amplify rounding little: 2^-24 and 2^-8 per operation
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    np.testing.assert_allclose(found[2], found[0], rtol=0.1)
    assert not np.array_equal(found[2], found[0])


def test_diverging_batchnorm_is_an_error():
    with pytest.raises(ConvergenceError, match=r"training: expected a bounded objective"):
        train(normalised(), DATA, decay=DECAY, descent=Descent(rate=1e6, steps_max=200, looks=20))


def test_operations_of_an_image():
    network, images = plain(dtype=torch.float32), torch.zeros(4, 1, 6, 6)
    # forward and two products backward; the first layer has no gradient in its images
    forward = 2 * (36 * 8 + 8 * 5 + 5 * 5 + 5 * 3)
    assert flops_per_image(network, images) == 3 * forward - 2 * 36 * 8
    assert matmul_peak(size=64, rounds=3) > 0
    assert all(p.grad is None for p in network.parameters())


def test_the_best_peak_is_that_of_several_moments(monkeypatch: pytest.MonkeyPatch):
    moments = iter([2.0, 1.0, 5.0, 3.0])
    monkeypatch.setattr("deepcollapse.networks.speed.matmul_peak", lambda **_: next(moments))
    peak = BestPeak(seconds=0.0)
    assert [peak.measure() for _ in range(3)] == [2.0, 2.0, 5.0]
    peak.seconds = 1e9  # not due
    assert (peak.measure(), peak.measure(at_once=True)) == (5.0, 5.0)
    assert list(moments) == []


def test_the_c_library_keeps_memory_unless_it_was_told_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=1000000")
    assert keep_freed_memory() is False
    monkeypatch.undo()
    assert keep_freed_memory() in (True, False)  # as this machine's library can
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"squares": 1.0}, r"squares: expected 0 <= squares < 1, but found 1.0"),
        ({"epsilon": 0.0}, r"epsilon: expected a finite number > 0, but found 0.0"),
        ({"head_gradient": 0.0}, r"head_gradient: expected a number > 0 or None, but found 0.0"),
        ({"plateau": -0.1}, r"plateau: expected 0 <= plateau < 1, but found -0.1"),
        ({"patience": -1}, r"patience: expected at least 0, but found -1"),
        ({"rule": "nesterov", "momentum": 0.0}, r"momentum: expected a number > 0 for \"nesterov\", but found 0"),
    ],
)
def test_bad_descents(changes: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        Descent(**changes)


def test_unknown_rule_and_precision():
    descent, execution = Descent(), Execution()
    object.__setattr__(descent, "rule", "newton")  # past the tests' type checker
    with pytest.raises(InvalidInputError, match=r"rule: expected \"heavy ball\", \"nesterov\" or \"adam\", but found"):
        descent.__post_init__()
    object.__setattr__(execution, "autocast", "float16")
    with pytest.raises(InvalidInputError, match=r"autocast: expected \"bfloat16\" or None, but found 'float16'; grad"):
        execution.__post_init__()


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_standard_decay(bad: float):
    with pytest.raises(InvalidInputError, match=r"decay of weights: expected a finite number > 0, but found"):
        StandardDecay(bad)


@pytest.mark.parametrize("steps", [12, 13, 14, 15, 16, 17])
def test_an_epoch_that_the_horizon_cuts_short_does_not_count(steps: int):
    # 12 images in batches of 4: an epoch is 3 updates, a window 3 epochs; next to no learning leaves next to no change
    descent = Descent(rate=1e-12, momentum=0.0, steps_max=steps, window=9, tolerance=0.0, plateau=0.0)
    found = train(plain(), DATA, decay=DECAY, descent=descent, batches=Batches(size=4))
    change = float(found.explanation.partition("changed by ")[2].split()[0])
    assert change < 1e-6


def test_a_horizon_within_the_second_epoch_leaves_nothing_to_compare():
    descent = Descent(rate=1e-12, momentum=0.0, steps_max=7, window=6)
    found = train(plain(), DATA, decay=DECAY, descent=descent, batches=Batches(size=4))
    assert found.explanation == "the horizon of 7 updates came within an epoch; let it end one"


def window(means: np.ndarray) -> Window:
    found = Window.of(len(means) * 4, epoch=4, like=torch.zeros((), dtype=torch.float64))
    for step, value in enumerate(np.repeat(means, 4)):
        found.add(step, objective=torch.tensor(value), data=torch.tensor(value / 2))
    return found


def seen(errors: float, rank: int) -> Evaluation:
    logits = np.diag(np.arange(10.0) < rank).astype(float)
    return Evaluation(
        factors=(np.eye(10), logits),
        problem=Problem(classes=10, layers=1),
        objective=0.5,
        train_error=errors,
        logits=logits,
        largest_logit=3.0,
    )


@pytest.mark.parametrize(
    ("fall", "noise", "errors", "rank", "outcome"),
    [
        (0.0, 0.02, 0.16, 2, "stalled"),
        (0.0, 0.0, 0.16, 2, "stalled"),
        (0.3, 0.02, 0.16, 2, "not converged"),
        (0.02, 0.0, 0.16, 2, "not converged"),
        (0.0, 0.02, 0.16, 10, "not converged"),
        (0.0, 0.02, 0.005, 2, "not converged"),
        (0.0, 0.02, 0.0, 4, "not converged"),
        (0.0, 0.0001, 0.0, 4, "converged"),
        (0.0008, 0.0, 0.0, 4, "not converged"),
    ],
)
def test_plateaus_are_told_under_noise(fall: float, noise: float, errors: float, rank: int, outcome: str):
    """Of ten classes; means of epochs scatter by a hundredth and more where batches are small."""
    told = []
    for seed in range(20):
        scatter = noise * np.random.default_rng(seed).uniform(-1, 1, 8)
        found = window(0.5 * (1 - fall * np.linspace(0, 1, 8) + scatter))
        told.append(health(found, 31, descent=Descent(tolerance=5e-4), classes=10, look=lambda: seen(errors, rank)))
    assert (
        sum(one.outcome == outcome for one in told) >= 18
    )  # of noise alone one in eleven is beyond two standard errors
    noisy = [one for one in told if "lower the rate" in one.explanation]
    assert len(noisy) >= 18 if noise > 0.01 and errors < 0.01 else not noisy


def test_the_trend_is_that_of_least_squares():
    means = np.array([0.51, 0.48, 0.5, 0.47, 0.49, 0.45])
    rise, twice_error = window(means).trend(23)
    design = np.stack([np.ones(6), np.arange(6)], axis=1)
    (_, slope), (squares,), *_ = np.linalg.lstsq(design, means, rcond=None)
    variance = squares / 4 * np.linalg.inv(design.T @ design)[1, 1]
    assert rise == pytest.approx(6 * slope / means.mean())
    assert twice_error == pytest.approx(2 * 6 * variance**0.5 / means.mean())


def test_frozen_parameters_are_in_no_objective():
    network, free_one = plain(), plain()
    first = network.backbone[1].weight.requires_grad_(False)
    assert all(parameter is not first for parameter in network.parameters())
    assert flops_per_image(network, torch.zeros(2, *DATA.images.shape[1:], dtype=torch.float64)) > 0
    start = first.clone()
    found = train(network, DATA, decay=StandardDecay(0.01), descent=Descent(steps_max=5))
    assert torch.equal(first, start)
    whole = train(free_one, DATA, decay=StandardDecay(0.01), descent=Descent(steps_max=5))
    missing = whole.trajectory.objective[0] - found.trajectory.objective[0]
    assert missing == pytest.approx(0.005 * float(start.square().sum()), rel=1e-9)
