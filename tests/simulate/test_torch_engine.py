import numpy as np
import pytest
import torch

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Descent, TorchEngine, descent, gaussian_starts
from deepcollapse.ufm import Problem
from simulate.oracle import autograd, trained

PROBLEMS = [
    Problem(classes=3, layers=1, samples=2, width=4),
    Problem(classes=4, layers=2, samples=(1, 3, 2, 1), width=6, decay=(0.01, 0.02, 0.004)),
    Problem(classes=5, layers=4, width=5, loss="mse"),
    Problem(classes=2, layers=3, samples=3, width=7, activation="relu"),
    Problem(classes=4, layers=2, samples=(2, 1, 1, 2), width=6, activation="relu", loss="mse"),
    Problem(classes=3, layers=1, width=4, activation="relu"),
]


def endpoints(problem, *, seeds, rule, **settings):
    found = TorchEngine(**settings).train(problem, gaussian_starts(problem, seeds), descent=rule)
    return {end.seed: end for end in found}


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_step_is_the_step_of_a_plain_loop(problem):
    starts = dict(gaussian_starts(problem, range(3)))
    for steps in (1, 2, 3, 25):
        rule = Descent(lr=0.3, tolerance=1e-12, steps_max=steps, check_every=7)
        for seed, end in endpoints(problem, seeds=range(3), rule=rule).items():
            expected = trained(starts[seed], problem, lr=0.3, steps=steps)
            assert (end.status, end.steps) == ("not converged", steps)
            for a, b in zip(end.factors, expected, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-12)
            slope = np.sqrt(sum((g**2).sum() for g in autograd(expected, problem)))
            assert end.gradient_norm == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize("chunk", [1, 3, 4, 50])
def test_the_result_does_not_depend_on_the_chunk(chunk):
    problem = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
    rule = descent(problem, 1.0, steps_max=650)  # some converge, some do not
    reference, found = (endpoints(problem, seeds=range(9), rule=rule, chunk=size) for size in (None, chunk))
    assert {end.status for end in reference.values()} == {"converged", "not converged"}
    assert found.keys() == reference.keys()
    for seed, end in found.items():
        assert (end.status, end.steps) == (reference[seed].status, reference[seed].steps)
        for a, b in zip(end.factors, reference[seed].factors, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_result_does_not_depend_on_the_threads(threads):
    problem = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
    rule, before = descent(problem, 1.0, steps_max=650), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        reference = endpoints(problem, seeds=range(9), rule=rule, chunk=4)
        torch.set_num_threads(threads)
        found = endpoints(problem, seeds=range(9), rule=rule, chunk=4)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found.keys() == reference.keys()
    for seed, end in found.items():
        assert (end.status, end.steps) == (reference[seed].status, reference[seed].steps)
        for a, b in zip(end.factors, reference[seed].factors, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9)


def test_float32_converges_like_float64():
    problem = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
    rule = descent(problem, 1.0)
    single, double = (endpoints(problem, seeds=range(4), rule=rule, dtype=d) for d in ("float32", "float64"))
    for seed, end in single.items():
        assert end.status == double[seed].status == "converged"
        for a, b in zip(end.factors, double[seed].factors, strict=True):
            assert a.dtype == np.float64
            np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_told_from_slowness(loss, dtype):
    problem = Problem(classes=4, layers=3, width=8, decay=2.0**-6, loss=loss)
    rule = Descent(lr=100.0, tolerance=1e-6, steps_max=1000)
    ends = endpoints(problem, seeds=range(5), rule=rule, dtype=dtype)
    assert [(end.status, end.factors) for end in ends.values()] == [("diverged", None)] * 5


def test_a_start_that_overflows_has_diverged():
    problem = Problem(classes=3, layers=2)
    starts = [(seed, tuple(1e200 * a for a in model)) for seed, model in gaussian_starts(problem, [8])]
    (end,) = TorchEngine().train(problem, starts, descent=Descent(lr=1.0, tolerance=1e-6, steps_max=10))
    assert end.status == "diverged"


def test_starts_are_drawn_when_there_is_room():
    problem = Problem(classes=3, layers=2)
    drawn = []

    def starts():
        for seed, factors in gaussian_starts(problem, range(10)):
            drawn.append(seed)
            yield seed, factors

    rule = Descent(lr=1.0, tolerance=1e-9, steps_max=5)
    ends = TorchEngine(chunk=2).train(problem, starts(), descent=rule)
    next(ends)
    assert len(drawn) == 4  # two have ended, two have taken their places
    assert len(list(ends)) == 9


def test_progress_counts_every_run():
    problem = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
    reports = []
    rule = descent(problem, 1.0, steps_max=700)
    ends = list(
        TorchEngine(chunk=4).train(problem, gaussian_starts(problem, range(9)), descent=rule, report=reports.append)
    )
    last = reports[-1]
    assert (last.ended, last.diverged, last.running) == (9, 0, 0)
    assert last.converged == sum(end.status == "converged" for end in ends)
    assert last.steps == sum(end.steps for end in ends)
    assert reports[0].running == 4


def test_no_starts_no_endpoints():
    assert list(TorchEngine().train(PROBLEMS[0], [], descent=descent(PROBLEMS[0], 1.0))) == []


def test_chunks_fit_the_cache():
    small, large = Problem(classes=10, layers=2, width=20), Problem(classes=10, layers=3, width=4000)
    assert TorchEngine().capacity(large) == torch.get_num_threads()
    assert TorchEngine(chunk=7).capacity(large) == 7
    wide, narrow = (TorchEngine(dtype=d).capacity(small) for d in ("float64", "float32"))
    assert narrow // 2 in (wide, wide + 1)


def test_bad_settings():
    with pytest.raises(InvalidInputError, match='dtype: expected "float32" or "float64", but found \'float16\''):
        TorchEngine(dtype="float16")
    with pytest.raises(InvalidInputError, match="chunk: expected a whole number >= 1, but found 0; leave it out"):
        TorchEngine(chunk=0)
    with pytest.raises(InvalidInputError, match=r"device: expected a device that holds float64, .* use \"cpu\""):
        TorchEngine(device="nowhere")
