import numpy as np
import pytest

from deepcollapse.curvature.lanczos import EigenPairs, Lanczos
from deepcollapse.errors import ConvergenceError


def rotated(values, *, seed=0):
    frame = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return (frame * np.array(values, dtype=float)) @ frame.T


def lanczos(matrix, **changes):
    settings = {"count": 4, "tol": 1e-10, "max_iterations": 1000} | changes
    return Lanczos(
        product=lambda vector: matrix @ vector, size=len(matrix), generator=np.random.default_rng(1), **settings
    )


def none(size):
    return EigenPairs(np.zeros(0), np.zeros((size, 0)))


def lowest(matrix, *, known=None, zero=1e-8, cap=100, **changes):
    search = lanczos(matrix, **changes)
    known = none(len(matrix)) if known is None else known
    return search.lowest(known, radius=search.radius(), zero=zero, cap=cap)


def test_every_copy_of_zero_is_found():
    matrix = rotated([-2.0] * 3 + [0.0] * 23 + [1.0] * 40 + [5.0] * 10)
    found, complete = lowest(matrix)
    assert complete
    assert found.values[:26] == pytest.approx([-2.0] * 3 + [0.0] * 23, abs=1e-8)
    assert found.values[26:] == pytest.approx(1.0)
    assert found.vectors.T @ found.vectors == pytest.approx(np.eye(found.values.size), abs=1e-6)
    assert matrix @ found.vectors == pytest.approx(found.vectors * found.values, abs=1e-6)


def test_copies_above_zero_are_found_up_to_the_count():
    found, complete = lowest(rotated([1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0] + [9.0] * 30), count=6)
    assert complete
    assert found.values[:6] == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 3.0])


def test_the_negated_map_gives_the_upper_end():
    search = lanczos(rotated([-50.0] * 20 + [1.0, 2.0] + [7.0] * 5), count=6)
    found, _ = search.negated().lowest(none(27), radius=search.radius(), zero=-np.inf, cap=1)
    assert -found.values[:6] == pytest.approx([7.0] * 5 + [2.0])


def test_known_pairs_are_not_searched_but_listed():
    matrix = rotated([0.0] * 12 + [1.0] * 20)
    values, vectors = np.linalg.eigh(matrix)
    found, complete = lowest(matrix, known=EigenPairs(values[:12], vectors[:, :12]), cap=1)
    assert complete
    assert found.values[:12] == pytest.approx(0.0, abs=1e-12)
    assert found.values[12] == pytest.approx(1.0)


def test_the_cap_makes_the_list_incomplete():
    found, complete = lowest(rotated([0.0] * 30 + [1.0] * 20), cap=10)
    assert not complete
    assert 10 <= (np.abs(found.values) < 1e-8).sum() <= 30


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_a_multiple_of_the_identity(value):
    found, complete = lanczos(value * np.eye(9)).lowest(none(9), radius=1.0, zero=-5.0, cap=100)
    assert complete
    assert found.values == pytest.approx(value, abs=1e-12)
    assert found.values.size >= 4


def test_a_tiny_matrix_is_exhausted():
    found, complete = lowest(np.diag([-1.0, 0.0, 0.0, 2.0]), count=3, zero=10.0)
    assert complete
    assert found.values == pytest.approx([-1.0, 0.0, 0.0, 2.0], abs=1e-10)


def test_no_convergence_is_an_error():
    matrix = rotated(np.linspace(0.0, 1.0, 200))
    message = r"Lanczos: expected \d eigenvalues within 1 iterations, but found 0; raise max_iterations or tol"
    with pytest.raises(ConvergenceError, match=message):
        lowest(matrix, max_iterations=1)
