"""The Lightning callback: when it measures, what, and where numbers go; with a stand-in trainer and a real one."""

import csv
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError, MissingExtraError
from integrations.fresh import fresh
from integrations.measured import measurement


class Callback:
    """A base class without anything."""


class Logger:
    def __init__(self) -> None:
        self.logged = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.logged.append((step, metrics))


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch):
    """The integration on a library of one class; measurements are counted instead of made."""
    library = ModuleType("pytorch_lightning")
    library.Callback = Callback
    found = fresh(monkeypatch, "lightning", lightning__pytorch=None, pytorch_lightning=library)
    found.calls = []

    def fake(model, loader, **options):
        found.calls.append((model, loader, options))
        return measurement(len(found.calls))

    monkeypatch.setattr(found, "measure", fake)
    return found


def trainer(**changes) -> SimpleNamespace:
    usual = {
        "current_epoch": 0,
        "global_step": 5,
        "is_global_zero": True,
        "sanity_checking": False,
        "state": SimpleNamespace(fn="fit"),
        "strategy": object(),
        "loggers": [Logger(), Logger()],
        "train_dataloader": ["train"],
        "val_dataloaders": ["validation"],
    }
    return SimpleNamespace(**(usual | changes))


def test_numbers_go_to_every_logger_and_into_the_series(lightning):
    callback, model, fit = lightning.CollapseCallback("data", layers=["0"], centre="sample"), nn.Linear(2, 3), trainer()
    callback.on_fit_start(fit, model)
    callback.on_train_epoch_end(fit, model)
    assert lightning.calls == [(model, "data", {"layers": ["0"], "centre": "sample"})]
    expected = {f"collapse/{name}": value for name, value in measurement(1).scalars().items()}
    assert [logger.logged for logger in fit.loggers] == [[(5, expected)]] * 2
    assert list(callback.series.rows()) == [{"step": 5, **row} for row in measurement(1).rows()]


def test_each_nth_epoch_of_the_stage(lightning):
    callback, model = lightning.CollapseCallback(stage="validation", every_n_epochs=3), nn.Linear(2, 3)
    for epoch in range(7):
        fit = trainer(current_epoch=epoch, global_step=10 * epoch)
        callback.on_validation_end(fit, model)
        callback.on_train_epoch_end(fit, model)
    assert callback.series.steps == (20, 50)
    assert [loader for _, loader, _ in lightning.calls] == ["validation"] * 2


@pytest.mark.parametrize(
    "changes",
    [{"sanity_checking": True}, {"is_global_zero": False}, {"state": SimpleNamespace(fn="validate")}],
    ids=["sanity check", "another process", "outside of fit"],
)
def test_not_measured(lightning, changes):
    callback, fit = lightning.CollapseCallback(stage="validation"), trainer(**changes)
    callback.on_validation_end(fit, nn.Linear(2, 3))
    assert (lightning.calls, callback.series.steps, fit.loggers[0].logged) == ([], (), [])


def test_each_fit_has_its_own_series(lightning):
    callback, model = lightning.CollapseCallback(), nn.Linear(2, 3)
    callback.on_fit_start(trainer(), model)
    callback.on_train_epoch_end(trainer(global_step=9), model)
    first = callback.series
    callback.on_fit_start(trainer(), model)
    callback.on_train_epoch_end(trainer(global_step=3), model)
    assert (first.steps, callback.series.steps) == ((9,), (3,))


def test_a_part_of_the_module(lightning):
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3)), nn.ReLU())
    lightning.CollapseCallback(submodule="0").on_train_epoch_end(trainer(), model)
    assert lightning.calls[0][0] is model[0]


@pytest.mark.parametrize("own", ["data", ["data"], {"main": "data"}])
def test_the_loader_of_the_trainer(lightning, own):
    lightning.CollapseCallback().on_train_epoch_end(trainer(train_dataloader=own), nn.Linear(2, 3))
    assert lightning.calls[0][1] == "data"


@pytest.mark.parametrize(("own", "count"), [(None, 0), ([], 0), (["a", "b"], 2), ({"a": 1, "b": 2, "c": 3}, 3)])
def test_no_loader_or_several(lightning, own, count):
    message = f"loader: expected one train loader of the trainer, but found {count}; pass the loader"
    with pytest.raises(InvalidInputError, match=message):
        lightning.CollapseCallback().on_train_epoch_end(trainer(train_dataloader=own), nn.Linear(2, 3))


def test_bad_options(lightning):
    with pytest.raises(InvalidInputError, match='stage: expected "train" or "validation", but found \'test\'; choose'):
        lightning.CollapseCallback(stage="test")
    with pytest.raises(InvalidInputError, match="every_n_epochs: expected at least 1, but found 0; leave out"):
        lightning.CollapseCallback(every_n_epochs=0)


def test_a_network_in_parts_is_refused(lightning):
    sharded = type("FSDPStrategy", (), {})()
    with pytest.raises(InvalidInputError, match=r"strategy: expected a whole network .*, but found FSDPStrategy; meas"):
        lightning.CollapseCallback().on_fit_start(trainer(strategy=sharded), nn.Linear(2, 3))


def test_without_lightning_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    missing = fresh(monkeypatch, "lightning", lightning__pytorch=None, pytorch_lightning=None)
    with pytest.raises(MissingExtraError, match=r"lightning.pytorch or pytorch_lightning.*pip install .*\[lightning\]"):
        missing.CollapseCallback()


def classifier(pl: ModuleType):
    class Classifier(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)

        def training_step(self, batch, index):
            loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def validation_step(self, batch, index):
            self.log("val", nn.functional.cross_entropy(self(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    return Classifier()


def loader() -> torch.utils.data.DataLoader:
    torch.manual_seed(1)
    labels = torch.arange(3).repeat(16)
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.eye(3, 4)[labels] + 0.3 * torch.randn(48, 4), labels), batch_size=12
    )


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*smaller than the logging interval", "ignore:.*LeafSpec"
)
@pytest.mark.parametrize("stage", ["train", "validation"])
@pytest.mark.parametrize("own", [True, False])
def test_in_a_real_fit(stage: str, own: bool, tmp_path):
    pl = pytest.importorskip("pytorch_lightning")
    from deepcollapse.integrations.lightning import CollapseCallback
    from deepcollapse.observe import measure

    model, log = classifier(pl), pl.loggers.CSVLogger(tmp_path)
    callback = CollapseCallback(None if own else loader(), stage=stage, every_n_epochs=2, layers=["net.0"])
    fit = pl.Trainer(
        max_epochs=5, logger=log, callbacks=[callback], accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=tmp_path,
    )  # fmt: skip
    fit.fit(model, loader(), loader())
    assert callback.series.steps == (8, 16)  # four batches an epoch
    assert model.training
    with (tmp_path / "lightning_logs/version_0/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["collapse/net.0/nc1/quotient"]]
    assert [int(row["step"]) for row in rows] == [8, 16]
    seen = [look.layers[0].metrics.nc1.quotient for look in callback.series.measurements]
    assert [float(row["collapse/net.0/nc1/quotient"]) for row in rows] == seen

    if stage == "validation":
        fit.validate(model, loader(), verbose=False)
    assert callback.series.steps == (8, 16)
    again = pl.Trainer(
        max_epochs=4, logger=False, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, default_root_dir=tmp_path,
    )  # fmt: skip
    bare = classifier(pl)
    again.fit(bare, loader(), loader())
    assert measure(bare, loader(), layers=["net.0"])["net.0"].nc1.quotient == seen[-1]  # measuring changes no training
