"""One contract for all loggers, held against fakes and against the real libraries."""

import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError, MissingExtraError
from deepcollapse.integrations.logged import logged_scalars, logged_spectra
from integrations import loggers
from integrations.measured import measurement

TOOLS = {
    "tensorboard": (loggers.FakeTensorboard, loggers.RealTensorboard),
    "wandb": (loggers.FakeWandb, loggers.RealWandb),
    "mlflow": (loggers.FakeMlflow, loggers.RealMlflow),
}
KINDS = [pytest.param(0, id="fake"), pytest.param(1, id="real", marks=pytest.mark.slow)]
ROUNDING = {"tensorboard": 2.0**-24, "wandb": 0.0, "mlflow": 0.0}  # TensorBoard keeps float32


def module(tool: str) -> ModuleType:
    return import_module(f"deepcollapse.integrations.{tool}")


def written(tool: str, name: str) -> str:
    return name.replace("(", "").replace(")", "") if tool == "mlflow" else name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tool", TOOLS)
class TestEveryLogger:
    @pytest.mark.parametrize("prefix", ["", "train/collapse"])
    def test_every_scalar_arrives(self, tool: str, kind: int, prefix: str, monkeypatch, tmp_path):
        there = TOOLS[tool][kind](monkeypatch, tmp_path)
        assert module(tool).log(measurement(), there.target, step=17, prefix=prefix) is None
        scalars, _ = there.read()
        expected = {written(tool, name): value for name, value in logged_scalars(measurement(), prefix).items()}
        start = f"{prefix}/" if prefix else ""
        assert {f"{start}accuracy", f"{start}0/nc1/papyan"} < set(expected)
        assert set(scalars) == set(expected)
        assert {step for step, _ in scalars.values()} == {17}
        values = [scalars[name][1] for name in expected]
        np.testing.assert_allclose(values, list(expected.values()), rtol=ROUNDING[tool], atol=0)

    def test_singular_values_arrive_where_there_are_histograms(self, tool: str, kind: int, monkeypatch, tmp_path):
        there = TOOLS[tool][kind](monkeypatch, tmp_path)
        module(tool).log(measurement(), there.target, step=3, prefix="p")
        _, histograms = there.read()
        if tool == "mlflow":
            assert histograms == {}
            return
        spectra = logged_spectra(measurement(), "p")
        assert set(histograms) == set(spectra) == {"p/0/singular_values", "p/2 (input)/singular_values"}
        for name, values in spectra.items():
            assert histograms[name][:2] == (3, values.size)
            np.testing.assert_allclose(histograms[name][2:], (values.min(), values.max()), rtol=2.0**-50, atol=0)

    def test_later_steps_follow(self, tool: str, kind: int, monkeypatch, tmp_path):
        there = TOOLS[tool][kind](monkeypatch, tmp_path)
        module(tool).log(measurement(1), there.target, step=1, prefix="a")
        module(tool).log(measurement(2), there.target, step=2, prefix="b")
        module(tool).log(measurement(3), there.target, step=2, prefix="c")
        scalars, _ = there.read()
        for seed, step, prefix in ((1, 1, "a"), (2, 2, "b"), (3, 2, "c")):
            found, expected = scalars[f"{prefix}/0/nc1/quotient"], measurement(seed)["0"].nc1.quotient
            assert found[0] == step
            np.testing.assert_allclose(found[1], expected, rtol=ROUNDING[tool])


@pytest.mark.parametrize("tool", TOOLS)
def test_without_the_library_the_extra_is_named(tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path):
    for name in (tool, "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    message = rf"^{tool}: expected .*run: python -m pip install .*\[{tool}\]"
    with pytest.raises(MissingExtraError, match=message):
        module(tool).log(measurement(), tmp_path, step=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tool", ["wandb", "mlflow"])
def test_the_active_run_is_meant_where_none_is_named(tool: str, kind: int, monkeypatch, tmp_path):
    there = TOOLS[tool][kind](monkeypatch, tmp_path)
    module(tool).log(measurement(), step=2)
    assert there.read()[0]["0/nc1/quotient"] == (2, measurement()["0"].nc1.quotient)


@pytest.mark.parametrize(("tool", "remedy"), [("wandb", "call wandb.init"), ("mlflow", "call mlflow.start_run")])
def test_without_a_run_nothing_is_started(tool: str, remedy: str, monkeypatch: pytest.MonkeyPatch):
    library = ModuleType(tool)
    library.run, library.active_run = None, lambda: None
    monkeypatch.setitem(sys.modules, tool, library)
    with pytest.raises(InvalidInputError, match=f"run: expected an active run, but found none; {remedy}"):
        module(tool).log(measurement(), step=0)


@pytest.mark.parametrize("kind", KINDS)
def test_wandb_would_drop_earlier_steps(kind: int, monkeypatch, tmp_path):
    there = TOOLS["wandb"][kind](monkeypatch, tmp_path)
    there.target.log({"loss": 1.0}, step=8)
    with pytest.raises(InvalidInputError, match=r"step: expected at least [89], where the run is, but found 7, which"):
        module("wandb").log(measurement(), there.target, step=7)
    module("wandb").log(measurement(), there.target, step=9)
    scalars, _ = there.read()
    assert (scalars["loss"], scalars["accuracy"]) == ((8, 1.0), (9, 0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_mlflow_names_have_its_characters_only(kind: int, monkeypatch, tmp_path):
    there = TOOLS["mlflow"][kind](monkeypatch, tmp_path)
    module("mlflow").log(measurement(names=("", "a[0]:b", "z")), there.target, step=0, prefix="/../p//")
    names = {name.removesuffix("/nc1/quotient") for name in there.read()[0] if name.endswith("/nc1/quotient")}
    assert names == {"__/p", "__/p/a0_b"}


@pytest.mark.parametrize("kind", KINDS)
def test_mlflow_takes_the_id_of_a_run(kind: int, monkeypatch, tmp_path):
    there = TOOLS["mlflow"][kind](monkeypatch, tmp_path)
    module("mlflow").log(measurement(names=("a", "b")), there.target.info.run_id, step=1)
    assert set(there.read()[0]) == set(measurement(names=("a", "b")).scalars())


def test_mlflow_gets_many_metrics_in_parts(monkeypatch, tmp_path):
    there = loggers.FakeMlflow(monkeypatch, tmp_path)
    many = measurement(names=tuple(f"layer{i}" for i in range(60)))
    module("mlflow").log(many, there.target, step=1)
    assert len(there.batches) >= 2
    assert set(there.read()[0]) == set(many.scalars())


def test_mlflow_refuses_names_that_become_one(monkeypatch, tmp_path):
    there = loggers.FakeMlflow(monkeypatch, tmp_path)
    with pytest.raises(
        InvalidInputError, match=r"layers: expected names that differ .* such as 'a/nc1/papyan'; rename"
    ):
        module("mlflow").log(measurement(names=("a", "(a)", "b")), there.target, step=0)
    assert there.read()[0] == {}


@pytest.mark.slow
def test_tensorboard_takes_a_folder(tmp_path):
    pytest.importorskip("tensorboard")
    module("tensorboard").log(measurement(), tmp_path / "log", step=4)
    module("tensorboard").log(measurement(), str(tmp_path / "log"), step=4, prefix="again")
    scalars, histograms = loggers.tensorboard_log(tmp_path / "log")
    assert len(scalars) == 2 * len(measurement().scalars())
    assert len(histograms) == 4
    assert {step for step, *_ in [*scalars.values(), *histograms.values()]} == {4}
