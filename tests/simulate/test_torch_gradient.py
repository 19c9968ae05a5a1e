import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.simulate import gaussian
from deepcollapse.simulate.torch_gradient import Residual, backward
from deepcollapse.ufm import Problem, forward, gradient
from simulate.oracle import autograd


@st.composite
def problems(draw) -> Problem:
    classes, layers = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    decays = st.floats(2.0**-12, 0.5)
    return Problem(
        classes=classes,
        layers=layers,
        width=draw(st.integers(1, 9)),
        samples=draw(st.integers(1, 3) | st.tuples(*[st.integers(1, 3)] * classes)),
        decay=draw(decays | st.tuples(*[decays] * (layers + 1))),
        loss=draw(st.sampled_from(["ce", "mse"])),
        activation=draw(st.sampled_from(["linear", "relu"])),
    )


def gradients(models, problem, *, dtype=torch.float64):
    """left @ right / N + decay A of every model, factors in their order."""
    factors = [torch.from_numpy(np.stack(column)).to(dtype) for column in zip(*models, strict=True)]
    passes = backward(factors, problem)
    passes.run()
    by_factor = {id(p.factor): p for p in passes.products}
    products = [by_factor[id(factor)] for factor in factors]
    values = [p.left @ p.right / problem.total_samples + p.decay * p.factor for p in products]
    return [[v[e].numpy() for v in values] for e in range(len(models))], passes


@settings(max_examples=60)
@given(problem=problems(), seed=st.integers(0, 1000), scale=st.floats(0.1, 3.0))
def test_gradients_equal_autograd_and_the_reference(problem, seed, scale):
    models = [gaussian(problem, seed=seed + e, scale=scale) for e in range(3)]
    found, passes = gradients(models, problem)
    for e, (model, ours) in enumerate(zip(models, found, strict=True)):
        np.testing.assert_allclose(passes.logits[e].numpy(), forward(model, problem), atol=1e-12, rtol=1e-12)
        for value, reference, written in zip(ours, autograd(model, problem), gradient(model, problem), strict=True):
            size = max(np.abs(reference).max(), 1.0)
            np.testing.assert_allclose(value, reference, atol=1e-13 * size)
            np.testing.assert_allclose(value, written, atol=1e-13 * size)


def test_a_pass_can_be_repeated_after_the_factors_changed():
    problem = Problem(classes=3, layers=3, width=5, activation="relu")
    factors = [torch.from_numpy(a[None].copy()) for a in gaussian(problem, seed=0)]
    passes = backward(factors, problem)
    passes.run()
    for factor in factors:
        factor.mul_(-1.5)
    passes.run()
    expected = autograd([a[0].numpy() for a in factors], problem)
    by_factor = {id(p.factor): p for p in passes.products}
    for factor, reference in zip(factors, expected, strict=True):
        p = by_factor[id(factor)]
        value = (p.left @ p.right)[0] / problem.total_samples + p.decay * factor[0]
        np.testing.assert_allclose(value.numpy(), reference, atol=1e-13)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_float32_rounds_to_float32(activation):
    problem = Problem(classes=5, samples=4, layers=3, width=12, activation=activation)
    model = gaussian(problem, seed=4)
    (ours,), _ = gradients([model], problem, dtype=torch.float32)
    for value, reference in zip(ours, autograd(model, problem), strict=True):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, reference, atol=100 * np.finfo(np.float32).eps)


def test_huge_logits_do_not_overflow():
    problem = Problem(classes=4, layers=2, width=6)
    model = tuple(1e3 * a for a in gaussian(problem, seed=0))
    (ours,), _ = gradients([model], problem)
    for value, reference in zip(ours, autograd(model, problem), strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-9, atol=1e-9 * np.abs(reference).max())


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_idle_columns_have_no_residual(loss, dtype):
    """Exactly: under Adam the smallest residual would move them."""
    for classes in range(2, 130):
        problem = Problem(classes=classes, layers=1, loss=loss)
        residual = Residual.like(torch.zeros(2, 3, classes + 5, dtype=dtype), problem)
        residual.logits.normal_(generator=torch.Generator().manual_seed(classes))
        residual.logits[:, :, classes:] = 0.0
        residual.run()
        assert (residual.value[:, :, classes:] == 0).all()
        assert (residual.value[:, :, :classes] != 0).all()
