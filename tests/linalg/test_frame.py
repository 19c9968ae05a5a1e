import numpy as np
import pytest

from deepcollapse.linalg import haar_frame


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 5), (7, 2), (2, 7)])
def test_the_shorter_side_is_orthonormal(rows, columns):
    frame = haar_frame(rows, columns, generator=np.random.default_rng(0))
    assert frame.shape == (rows, columns)
    short = frame.T @ frame if rows >= columns else frame @ frame.T
    np.testing.assert_allclose(short, np.eye(min(rows, columns)), atol=1e-14)


def test_the_law_prefers_no_direction():
    """Each entry has mean 0 and variance 1/d; LAPACK's own signs would make the first entry always negative."""
    generator, count, width = np.random.default_rng(1), 4000, 3
    entries = np.array([haar_frame(width, 2, generator=generator) for _ in range(count)])
    assert np.abs(entries.mean(0)).max() < 5 / np.sqrt(width * count)  # five standard errors
    assert np.abs(entries.var(0) - 1 / width).max() < 5 * np.sqrt(4 / 45 / count)  # var of x^2 on the sphere is 4/45
