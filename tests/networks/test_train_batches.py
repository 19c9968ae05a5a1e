"""Pieces and minibatches: their gradients against that of all images at once, and the batches themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import Descent, Network, UfmDecay, deep_head, mlp, train
from deepcollapse.networks.batches import Batches, BatchStream, TrainingSet
from deepcollapse.networks.decay import Decay, StandardDecay
from deepcollapse.networks.evaluation import evaluated, training_mode_objective
from deepcollapse.networks.execution import Execution
from deepcollapse.networks.objective import objective
from deepcollapse.networks.pieces import pieces
from deepcollapse.networks.run import Run
from networks.small_networks import normalised, plain, random_images

UFM, STANDARD = UfmDecay(0.02, 0.005), StandardDecay(0.02)
DATA = random_images(5, classes=3)  # 15 images


def gradients(network: Network, *, decay: Decay, batches: Batches, steps: int = 1) -> tuple[list[float], list]:
    """Of the first batches, at the initial weights."""
    images = TrainingSet.of(DATA, network)
    run = Run(network=network, data=images, decay=decay, descent=Descent(), batches=batches, execution=Execution())
    values, found = [], []
    for _ in range(steps):
        values.append(run.passes().item())
        found.append([p.grad.clone() for p in network.parameters()])
        run.step += 1
    return values, found


def written_out(network: Network, decay: Decay) -> tuple[float, list[torch.Tensor]]:
    """One pass over all images and torch's own derivative of the objective as it is defined."""
    images = TrainingSet.of(DATA, network)
    features = network.backbone(images.images)
    if isinstance(decay, UfmDecay):
        loss = objective(features, images.labels, network.head, decay=decay)
    else:
        decayed = [p for p in network.parameters() if decay.vectors or p.ndim > 1]
        penalty = sum(0.5 * decay.weights * p.square().sum() for p in decayed)
        loss = torch.nn.functional.cross_entropy(network.head(features), images.labels) + penalty
    return loss.item(), list(torch.autograd.grad(loss, list(network.parameters())))


def close(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    size = max(g.abs().max().item() for g in wanted)
    for one, other in zip(found, wanted, strict=True):
        # a few dozen float64 additions in another order, per layer
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-13 * size)


@pytest.mark.parametrize("piece", [None, 1, 2, 4, 7, 15, 100])
@pytest.mark.parametrize("decay", [UFM, STANDARD, StandardDecay(0.02, vectors=False)], ids=repr)
def test_pieces_have_the_gradient_of_the_whole(decay: Decay, piece: int | None):
    network = plain()
    wanted, slopes = written_out(network, decay)
    values, found = gradients(network, decay=decay, batches=Batches(piece=piece))
    assert values[0] == pytest.approx(wanted, rel=1e-13)
    close(found[0], slopes)


@pytest.mark.parametrize("piece", [None, 2])
@pytest.mark.parametrize("size", [1, 3, 5, 15])
@pytest.mark.parametrize("decay", [UFM, STANDARD], ids=repr)
def test_the_mean_over_an_epoch_is_the_whole(decay: Decay, size: int, piece: int | None):
    network = plain()
    wanted, slopes = written_out(network, decay)
    epoch = 15 // size
    values, found = gradients(network, decay=decay, batches=Batches(size=size, piece=piece), steps=epoch)
    assert np.mean(values) == pytest.approx(wanted, rel=1e-13)
    close([torch.stack(one).mean(dim=0) for one in zip(*found, strict=True)], slopes)


def test_batchnorm_makes_pieces_differ():
    network = normalised(dtype=torch.float64)
    network.backbone[-2].p = 0.0  # no dropout
    whole = gradients(network, decay=UFM, batches=Batches())[1][0]
    parts = gradients(network, decay=UFM, batches=Batches(piece=5))[1][0]
    assert max((a - b).abs().max().item() for a, b in zip(whole, parts, strict=True)) > 1e-4


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32))
def test_every_epoch_has_every_image_once(images: int, size: int, seed: int):
    stream = BatchStream(Batches(size=size, seed=seed), images)
    count = stream.batches.per_epoch(images)
    for epoch in range(3):
        rows = [stream.rows(epoch * count + index) for index in range(count)]
        lengths = [len(part) for part in rows]
        assert sorted(torch.cat(rows).tolist()) == list(range(images))
        assert max(lengths) <= size
        assert max(lengths) - min(lengths) <= 1


@settings(max_examples=30)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 30))
def test_a_stream_goes_on_from_its_state(images: int, size: int, at: int):
    stream, other = (BatchStream(Batches(size=size, seed=seed), images) for seed in (3, 4))
    for step in range(at):
        stream.rows(step)
    other.restore(stream.state(at))
    for step in range(at, at + 20):
        assert torch.equal(stream.rows(step), other.rows(step))


def test_epochs_and_seeds_have_their_own_order():
    orders = [BatchStream(Batches(size=20, seed=seed), 20).rows(0).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    stream = BatchStream(Batches(size=20), 20)
    assert stream.rows(0).tolist() != stream.rows(1).tolist()


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(1, 70)))
def test_pieces_are_mixed_views(rows: int, most: int | None):
    whole = torch.arange(rows)
    parts = pieces(whole, most)
    assert sorted(torch.cat(parts).tolist()) == list(range(rows))
    assert all(part.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr() for part in parts)
    assert max(map(len, parts)) <= (most or rows)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_full_batches_are_not_copied():
    network = plain()
    images = TrainingSet.of(DATA, network)
    assert images.rows(None) is images
    assert all(
        part.images.untyped_storage().data_ptr() == images.images.untyped_storage().data_ptr()
        for part in images.pieces(4)
    )


def test_looks_tell_the_modes_apart():
    network = normalised()
    before = {key: value.clone() for key, value in network.module().state_dict().items()}
    images, problem = TrainingSet.of(DATA, network), UFM.sizes(network.head, 5)
    network.backbone[-2].p = 0.0
    seen = evaluated(network, images, decay=UFM, problem=problem)
    assert all(torch.equal(value, before[key]) for key, value in network.module().state_dict().items())
    training = training_mode_objective(network, images, decay=UFM, problem=problem, batches=Batches())
    assert abs(seen.objective - training) > 1e-3
    assert training == pytest.approx(written_out(network, UFM)[0], rel=1e-5)
    network.module().load_state_dict(before)
    assert all(module.training for module in network.module().modules())
    network.module().eval()
    assert seen.objective == pytest.approx(written_out(network, UFM)[0], rel=1e-5)


@pytest.mark.parametrize("size", [None, 5])
def test_statistics_are_those_of_the_present_weights(size: int | None):
    network = normalised()
    norm = next(module for module in network.backbone.modules() if hasattr(module, "running_mean"))
    norm.register_buffer("other", torch.zeros(()))
    network.backbone[-2].p = 0.0
    momentum = norm.momentum
    entering: list[torch.Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, given: entering.append(given[0].clone()))
    images, problem = TrainingSet.of(DATA, network), UFM.sizes(network.head, 5)
    training_mode_objective(network, images, decay=UFM, problem=problem, batches=Batches(size=size))
    hook.remove()
    assert len(entering) == (1 if size is None else 3)
    axes = [axis for axis in range(entering[0].ndim) if axis != 1]
    mean = torch.stack([piece.mean(axes) for piece in entering]).mean(0)
    variance = torch.stack([piece.var(axes) for piece in entering]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert norm.momentum == momentum
    if size is None:  # then both modes are one, but for the variance's N / (N - 1)
        seen = evaluated(network, images, decay=UFM, problem=problem)
        assert seen.objective == pytest.approx(written_out(network, UFM)[0], rel=0.02)


@pytest.mark.parametrize("batches", [Batches(), Batches(piece=4), Batches(size=5)], ids=repr)
def test_modes_agree_without_batchnorm(batches: Batches):
    done = train(plain(), DATA, decay=UFM, descent=Descent(steps_max=10, looks=4), batches=batches).trajectory
    np.testing.assert_allclose(done.objective, done.objective_training, rtol=1e-13)


def test_minibatches_without_noise_follow_the_full_batch():
    # one batch per epoch is the full batch in another order
    one, other = plain(), plain()
    first = train(one, DATA, decay=UFM, descent=Descent(steps_max=40), batches=Batches(size=15))
    second = train(other, DATA, decay=UFM, descent=Descent(steps_max=40))
    np.testing.assert_allclose(first.trajectory.objective, second.trajectory.objective, rtol=1e-11)
    assert (first.epochs, first.steps) == (40.0, 40)


def test_epochs_count_images():
    done = train(plain(), DATA, decay=UFM, descent=Descent(steps_max=7), batches=Batches(size=4))
    assert done.epochs == pytest.approx((15 + 4 + 4 + 4) / 15)  # batches of 4, 4, 4, 3


@pytest.mark.parametrize("name", ["size", "piece"])
def test_bad_sizes(name: str):
    with pytest.raises(InvalidInputError, match=rf"{name}: expected at least 1, but found 0; None takes all"):
        Batches(**{name: 0})


def test_a_batch_norm_that_sees_a_single_value_is_an_error_with_a_remedy():
    generator = torch.Generator().manual_seed(0)
    backbone = nn.Sequential(mlp((36, 5), generator=generator), nn.BatchNorm1d(5))
    network = Network(backbone, deep_head(3, layers=2, width=5, generator=generator)).to(
        device="cpu", dtype=torch.float32
    )
    for batches in (Batches(size=1), Batches(piece=1)):
        with pytest.raises(
            InvalidInputError,
            match=r"backbone: expected it to train on pieces of 1 images, .*; raise batches.size or b",
        ):
            train(network, DATA, decay=UFM, batches=batches)
