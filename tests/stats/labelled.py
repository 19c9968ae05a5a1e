"""Labelled samples cut into batches, and how far sums in another order may be from each other."""

import numpy as np

from deepcollapse.stats import ClassMoments

UNIT = 2.0**-53


def labelled(seed: int, *, samples: int, classes: int, width: int, spread: float = 1e-3, offset: float = 0.0):
    """Features around class means of order one, with shuffled labels that may leave classes empty."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    means = offset + rng.standard_normal((classes, width))
    return means[labels] + spread * rng.standard_normal((samples, width)), labels


def assert_equal_up_to_order(found: ClassMoments, expected: ClassMoments) -> None:
    """Anchors are the same samples, so only the order of the sums differs: N roundings of each."""
    np.testing.assert_array_equal(found.counts, expected.counts)
    slack = 4 * UNIT * expected.total
    np.testing.assert_allclose(found.means, expected.means, rtol=0, atol=slack * np.abs(expected.means).max())
    np.testing.assert_allclose(found.spreads, expected.spreads, rtol=0, atol=slack * expected.spreads.sum())
    assert found.resolution == expected.resolution
    if expected.scatter is None:
        assert found.scatter is None
    else:
        np.testing.assert_allclose(found.scatter, expected.scatter, rtol=0, atol=slack * expected.scatter.trace())
