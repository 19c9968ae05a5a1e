import itertools
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from benchmarks.__main__ import main
from benchmarks.answer import answer
from benchmarks.contenders import CONTENDERS, LEARNING_RATE, LOOPS, engine, loop, torch_threads
from benchmarks.measurement import CASES, DTYPES, Task, flops, peak, size, speeds
from benchmarks.targets import TARGETS, target_rows, unmet
from torch.utils.flop_counter import FlopCounterMode

from deepcollapse.errors import CompilerError
from deepcollapse.simulate import engine_choice, gaussian, simulate
from deepcollapse.simulate.kernel import compiler
from deepcollapse.ufm import Problem, regularised_loss
from simulate.oracle import trained

try:
    compiler()
    compiled = True
except CompilerError:
    compiled = False

needs_compiler = pytest.mark.skipif(not compiled, reason="no C++ compiler")


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("case", "name"),
    [pytest.param(case, name, id=f"{case.problem.d}-{name}") for case in CASES for name in case.contenders],
)
def test_every_contender_takes_the_same_steps(case, name, dtype):
    problem, contender, steps = case.problem, CONTENDERS[name], 20 if case.problem.d < 100 else 4
    models = [gaussian(problem, seed=seed) for seed in range(3)]
    expected = [regularised_loss(trained(model, problem, lr=LEARNING_RATE, steps=steps), problem) for model in models]
    found = [regularised_loss(model, problem) for model in contender(problem, models, dtype=dtype, steps=steps)]
    rounding = 1000 * torch.finfo(getattr(torch, dtype)).eps  # at most 20 steps of sums over at most 256 terms each
    np.testing.assert_allclose(found, expected, rtol=rounding)
    one_less = contender(problem, models, dtype=dtype, steps=steps - 1)
    short = np.array([regularised_loss(model, problem) for model in one_less])
    assert (np.abs(short / expected - 1.0) > 2 * rounding).all()


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_flops_are_those_of_the_products(layers, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # the counter sees its own thread only
    problem = Problem(classes=3, layers=layers, width=7, samples=3)  # the engine pads fewer than 8 samples
    models = [gaussian(problem, seed=seed) for seed in range(4)]
    counts = [counted_flops(problem, models, steps) for steps in (1, 2, 6)]
    assert np.diff(counts).tolist() == [4 * flops(problem), 4 * 4 * flops(problem)]


def counted_flops(problem, models, steps):
    """What torch sees: the flops of the steps, and those of one measurement."""
    in_place = {torch.ops.aten.baddbmm_: lambda _, a, b, **settings: 2 * a[0] * a[1] * a[2] * b[2]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        engine(problem, models, name="torch", dtype="float64", steps=steps)
    return counter.get_total_flops()


def test_speed_is_work_over_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    calls = []

    def work(cost, count):
        calls.append((cost, count))
        clock[0] += cost * count

    tasks = {(cost,): Task(lambda count, cost=cost: work(cost, count), 3.0) for cost in (0.25, 8.0)}
    found = speeds(tasks, rounds=2, seconds=2.0)
    assert {key: value.tolist() for key, value in found.items()} == {(0.25,): [12.0, 12.0], (8.0,): [0.375, 0.375]}
    assert calls[-4:] == [(0.25, 8), (8.0, 1)] * 2  # in turn, two seconds or one repetition each


@pytest.mark.parametrize(("budget", "rounds"), [(0.0, 1), (20.0, 1), (25.5, 2), (31.0, 3), (1000.0, 4)])
def test_a_round_is_whole_or_left_out(monkeypatch, budget, rounds):
    """Two tasks of 4 and 2 seconds: warm-up takes 12 (each is called twice), and a round 6."""
    clock, order = [0.0], itertools.count(1)

    def work(cost):
        clock[0] += cost
        next(order)

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    tasks = {(cost,): Task(lambda _, cost=cost: work(cost), cost * cost) for cost in (4.0, 2.0)}
    found = speeds(tasks, rounds=4, seconds=1.0, budget=budget)
    assert {key: value.tolist() for key, value in found.items()} == {(4.0,): [4.0] * rounds, (2.0,): [2.0] * rounds}
    assert next(order) - 1 <= 4 + 2 * (rounds + 1)  # at most one round more was begun


def result(table, rounds, tmp_path):
    file = tmp_path / "result.json"
    main([table, "--rounds", str(rounds), "--seconds", "1e-6", "--json", str(file)])
    return json.loads(file.read_text(encoding="utf-8"))


@needs_compiler
def test_a_tiny_run_of_gradient_descent(monkeypatch, tmp_path, capsys):
    few = tuple(replace(case, models=8, steps=1) for case in CASES)
    monkeypatch.setattr("benchmarks.measurement.CASES", few)
    found = result("descent", 2, tmp_path)
    assert found.keys() == {"machine", "rounds", "seconds", "gemm", "descent", "targets"}
    assert found["machine"].keys() == {"cpu", "cores", "threads", "load", "system", "python", "numpy", "torch"}
    assert found["gemm"].keys() == set(DTYPES)
    assert len(found["descent"]) == len(DTYPES) * sum(len(case.contenders) for case in CASES)
    for row in found["descent"]:
        assert row.keys() == {
            *("layers", "width", "classes", "samples", "decay", "models", "dtype", "contender", "engine"),
            *("model_steps_per_second", "ratio_to_loop", "flops_per_model_step", "share_of_peak"),
        }
        speed, peak = (row["model_steps_per_second"], found["gemm"][row["dtype"]])
        share = np.array(speed["rounds"]) * row["flops_per_model_step"] / peak["rounds"]
        assert row["share_of_peak"]["rounds"] == pytest.approx(share, rel=1e-12)
        assert speed["lower"] <= speed["median"] <= speed["upper"]
    for case, dtype in itertools.product(CASES, DTYPES):
        place = {**size(case.problem), "dtype": dtype}
        loops = [row for row in found["descent"] if row["contender"] in LOOPS and place.items() <= row.items()]
        assert np.max([row["ratio_to_loop"]["rounds"] for row in loops], axis=0).tolist() == [1.0, 1.0]
    chosen = {(row["dtype"], row["engine"]) for row in found["descent"] if row["contender"] == "auto"}
    (auto,) = (case for case in few if "auto" in case.contenders)
    by_rule = {d: engine_choice(auto.problem, "auto", seeds=auto.models, dtype=d).engine.name for d in DTYPES}
    assert chosen == set(by_rule.items())
    printed = capsys.readouterr().out
    threads = f"gemm float32, 1024 x 1024, threads {torch.get_num_threads()}"
    assert all(name in printed for name in (*CONTENDERS, threads, "L=2 d=70 K=10 n=5"))


def test_threads_that_wait_for_each_other_are_no_peak(monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 4)
    found = {("float32", "gemm", 1): np.array([10.0, 10.0]), ("float32", "gemm", 4): np.array([36.0, 44.0])}
    assert peak(found, "float32").tolist() == [40.0, 44.0]


def test_the_loop_gives_its_threads_back(monkeypatch):
    during = []
    monkeypatch.setattr("benchmarks.contenders._data_loss", lambda *_: during.append(torch.get_num_threads()) or 1 / 0)
    with torch_threads(3):
        with pytest.raises(ZeroDivisionError):
            loop(CASES[2].problem, [gaussian(CASES[2].problem, seed=0)], dtype="float64", steps=1)
        assert (during, torch.get_num_threads()) == ([1], 3)


def test_targets_have_conditions():
    assert unmet({"threads": 2, "load": 0.1}) == unmet({"threads": 2, "load": None}) == []
    busy = ["1 threads instead of 2", "the machine was busy: load 2.5 at the start"]
    assert unmet({"threads": 1, "load": 2.5}) == busy


def test_a_target_says_how_much_is_missing():
    """Medians of 90 %, 100 % and 110 % of the target in turn."""
    rows, fractions = {}, {}
    for count, target in enumerate(TARGETS):
        row = rows.setdefault(
            (target.problem, target.dtype, target.contender),
            {
                "share_of_peak": {"median": 0.5},
                **size(target.problem),
                "dtype": target.dtype,
                "contender": target.contender,
            },
        )
        fractions[target] = (0.9, 1.0, 1.1)[count % 3]
        row.setdefault("share_of_peak", {"median": 0.5})
        row[target.quantity] = {"median": fractions[target] * target.least}
    for target, row in zip(TARGETS, target_rows(rows.values()), strict=True):
        assert (row["width"], row["dtype"], row["target"]) == (target.problem.d, target.dtype, target.least)
        assert row["found"] == fractions[target] * target.least
        assert row["shortfall"] == pytest.approx(max(0.0, 1.0 - fractions[target]), abs=1e-12)
        share = rows[target.problem, target.dtype, target.contender]["share_of_peak"]["median"]
        assert row["share_needed"] == pytest.approx(share * target.least / row["found"])


def test_the_answer_is_that_of_simulate():
    problem = Problem(classes=3, layers=1, width=3, decay=0.05)
    found = answer(problem, seeds=5, rounds=3, seconds=1e-6)
    expected = simulate(problem, seeds=5, lr=LEARNING_RATE)
    assert found["rate"] == expected.dnc().value
    assert found["statuses"] == {"converged": expected.converged}
    assert (found["steps"], found["longest"]) == (expected.steps.sum(), expected.steps.max())
    assert len(found["loop_seconds"]["rounds"]) == 4
    ratios = np.array(found["loop_seconds"]["rounds"]) / found["seconds"]
    assert found["ratio"]["rounds"] == pytest.approx(ratios, rel=1e-12)


def test_an_answer_without_a_decided_run_is_printed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("benchmarks.__main__.QUESTION", Problem(classes=3, layers=1, width=3, decay=0.05))
    monkeypatch.setattr("benchmarks.__main__.answer", partial(answer, steps_max=1))
    found = result("answer", 1, tmp_path)
    assert found["answer"]["rate"] is None
    printed = capsys.readouterr().out
    assert "Rate of collapse at L=1 d=3 K=3 n=1, 64 seeds: open [0.000, 1.000]; 64 not converged" in printed
    assert "64 steps, the longest run 1" in printed


@pytest.mark.slow  # two searches with every array checked
def test_a_tiny_run_of_the_theory(tmp_path, capsys):
    found = result("theory", 1, tmp_path)
    printed = capsys.readouterr().out
    assert found.keys() == {"machine", "rounds", "seconds", "theory"}
    for row, name in zip(found["theory"], ("collapse_spectrum", "overview", "search"), strict=True):
        assert row.keys() == {"computation", "seconds"}
        assert row["computation"].startswith(name)
        assert row["computation"] in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "--rounds: expected a whole number >= 1, but found 0; 5 give quartiles"),
        (["--seconds", "nan"], "--seconds: expected a number between 0 and 60, but found nan; 0.5 is usual"),
    ],
)
def test_bad_options(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err
