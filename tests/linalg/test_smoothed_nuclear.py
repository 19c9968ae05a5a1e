import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.linalg.smoothed_nuclear import SmoothedNuclear, curvature, slope, value

SHAPES = st.sampled_from([(1, 1), (1, 3), (2, 3), (3, 3), (4, 6)])


def matrices(shape, seed, *, rank=None):
    generator = np.random.default_rng(seed)
    full = generator.standard_normal(shape)
    if rank is None:
        return full
    u, s, vt = np.linalg.svd(full, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


@given(shape=SHAPES, seed=st.integers(0, 99), mu=st.sampled_from([1e-2, 0.3, 5.0]), flat=st.booleans())
def test_derivatives_against_differences(shape, seed, mu, flat):
    """Central differences of step 1e-5: error 1e-10 over mu cubed at most, rounding 1e-11."""
    matrix = matrices(shape, seed, rank=shape[0] - 1 if flat else None)
    direction = matrices(shape, seed + 1000)
    at, step = SmoothedNuclear.at(matrix, mu), 1e-5
    above, below = (SmoothedNuclear.at(matrix + sign * step * direction, mu) for sign in (1, -1))
    assert (at.gradient * direction).sum() == pytest.approx((above.value - below.value) / (2 * step), abs=1e-3)
    change = (above.gradient - below.gradient) / (2 * step)
    assert at.hessian(direction) == pytest.approx(change, abs=1e-3 * max(1.0, np.abs(change).max()))


@given(shape=SHAPES, seed=st.integers(0, 99), shift=st.sampled_from([1e-3, 1.0]))
def test_inverse_undoes_the_shifted_hessian(shape, seed, shift):
    at, direction = SmoothedNuclear.at(matrices(shape, seed), 0.1), matrices(shape, seed + 1000)
    assert at.inverse(at.hessian(direction) + shift * direction, shift=shift) == pytest.approx(direction, abs=1e-9)


def test_it_tends_to_the_nuclear_norm_and_its_gradient_stays_below_one():
    matrix = matrices((3, 5), 1)
    exact = np.linalg.svd(matrix, compute_uv=False).sum()
    for mu in (1e-2, 1e-4, 1e-8):
        at = SmoothedNuclear.at(matrix, mu)
        assert at.value == pytest.approx(exact, abs=60 * mu)  # 3 values, each within mu log(2 s / mu)
        assert np.linalg.norm(at.gradient, ord=2) < 1


@given(s=st.floats(0, 10), mu=st.floats(0.1, 10))
def test_scalars(s, mu):
    here, step = np.array([s]), 1e-5
    assert slope(here, mu) == pytest.approx((value(here + step, mu) - value(here - step, mu)) / (2 * step), abs=1e-5)
    assert curvature(here, mu) == pytest.approx(
        (slope(here + step, mu) - slope(here - step, mu)) / (2 * step), abs=1e-5
    )
