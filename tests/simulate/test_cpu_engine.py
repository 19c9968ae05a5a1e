import ctypes

import numpy as np
import pytest

from deepcollapse.errors import CompilerError, InvalidInputError
from deepcollapse.simulate import CpuEngine, Descent, descent, gaussian_starts
from deepcollapse.simulate.kernel import compiler, kernel
from deepcollapse.simulate.optimiser import Momentum
from deepcollapse.ufm import Problem

SMALL = Problem(classes=4, layers=2, width=8, decay=2.0**-6)

try:
    compiler()
except CompilerError:
    pytestmark = pytest.mark.skip(reason="no C++ compiler")


def endpoints(problem, *, seeds, rule, **settings):
    found = CpuEngine(**settings).train(problem, gaussian_starts(problem, seeds), descent=rule)
    return {end.seed: end for end in found}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_is_the_same_to_the_last_bit_in_any_company(dtype):
    rule = descent(SMALL, 1.0, tolerance=1e-4, steps_max=650)  # some converge, some do not
    crowd = endpoints(SMALL, seeds=range(150), rule=rule, dtype=dtype, threads=1)  # more than four groups
    assert {end.status for end in crowd.values()} == {"converged", "not converged"}
    shared = endpoints(SMALL, seeds=range(150), rule=rule, dtype=dtype, threads=2)
    alone = {seed: endpoints(SMALL, seeds=[seed], rule=rule, dtype=dtype)[seed] for seed in (0, 7, 149)}
    assert shared.keys() == crowd.keys()
    for seed, end in (*shared.items(), *alone.items()):
        other = crowd[seed]
        assert (end.status, end.steps, end.gradient_norm) == (other.status, other.steps, other.gradient_norm)
        for a, b in zip(end.factors, other.factors, strict=True):
            np.testing.assert_array_equal(a, b)


def test_runs_are_measured_at_their_own_ages():
    """A run that joins late must not be measured in the rhythm of those at their horizon."""
    rule = Descent(lr=1.0, tolerance=1e-5, steps_max=650)
    ends = endpoints(SMALL, seeds=range(100), rule=rule, threads=1)
    assert all(end.steps in (*range(100, 650, 100), 650) for end in ends.values())
    assert all(end.steps == 650 for end in ends.values() if end.status == "not converged")


def test_starts_are_drawn_when_there_is_room():
    drawn = []

    def starts():
        for seed, factors in gaussian_starts(SMALL, range(200)):
            drawn.append(seed)
            yield seed, factors

    engine = CpuEngine(threads=1)
    next(engine.train(SMALL, starts(), descent=Descent(lr=1.0, tolerance=1e-9, steps_max=5)))
    assert len(drawn) == 8 * engine.lanes  # four groups have ended, four have taken their places


@pytest.mark.parametrize(("dtype", "least"), [("float32", -87.0), ("float64", -708.0)])
def test_exponential_is_within_a_unit_in_the_last_place(dtype, least):
    library, count = kernel(dtype), 2**16
    room = np.zeros(2 * count + 16, dtype=dtype)
    skipped = -room.ctypes.data % 64 // room.itemsize
    x, y = room[skipped:][:count], room[skipped:][count : 2 * count]
    x[:] = np.concatenate([np.linspace(least, 0, count // 2), -np.geomspace(1e-30, 1, count // 2)])
    x[-4:] = 0.0, -np.inf, 10 * least, np.nan
    library.exponentials(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), count)
    exact = np.exp(x[:-4].astype(np.longdouble))
    assert float((np.abs(y[:-4] - exact) / np.spacing(exact.astype(dtype))).max()) < 1.0
    assert y[-4] == 1.0
    assert (y[-3:-1] < 1e-37).all()
    assert np.isnan(y[-1])


def test_the_size_of_a_group_is_that_of_its_matrices():
    engine, lanes = CpuEngine(), CpuEngine().lanes
    # rows of an odd number of vectors: H 8 x 5, W_1 8 x 9, W_2 4 x 9; logits 4 x 5, B_1, C_1 and a second W_2 4 x 9
    assert engine.group_bytes(SMALL) == 8 * lanes * (40 + 72 + 36 + 20 + 3 * 36)


def test_other_optimisers_are_refused():
    rule = descent(SMALL, 1.0, optimiser=Momentum(beta=0.9))
    message = 'optimiser: expected plain gradient descent for the compiled kernel, but found momentum 0.9; use engine="'
    with pytest.raises(InvalidInputError, match=message):
        next(CpuEngine().train(SMALL, gaussian_starts(SMALL, [0]), descent=rule))


def test_bad_settings():
    with pytest.raises(InvalidInputError, match='dtype: expected "float32" or "float64", but found \'float16\''):
        CpuEngine(dtype="float16")
    with pytest.raises(InvalidInputError, match="threads: expected a whole number >= 1, but found 0; leave it out"):
        CpuEngine(threads=0)
