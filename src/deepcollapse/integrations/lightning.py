"""Measurements during training with PyTorch Lightning; extra ``lightning``."""

from collections.abc import Iterable
from typing import Any, Literal

from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.integrations.logged import logged_scalars
from deepcollapse.observe.network import measure
from deepcollapse.observe.recorder import MeasurementSeries
from deepcollapse.optional import optional_class

__all__ = ["CollapseCallback"]

_Callback: Any = optional_class("Callback", "lightning.pytorch", "pytorch_lightning", extra="lightning")
_SHARDED = {"DeepSpeedStrategy", "FSDPStrategy", "ModelParallelStrategy"}


class CollapseCallback(_Callback):
    """Measures the network at the end of epochs, logs every number, and keeps a series.

    Numbers go to all loggers of the trainer as "prefix/layer/metric" at its global step. The sanity check before
    training is not measured, nor is anything outside of ``fit``; each ``fit`` starts a new series.

    With several processes only the one of rank zero measures and logs, and the others wait for it at their next
    exchange. A trainer's own loader then gives it only its share of the data: pass a loader to measure on all of it.
    The network runs outside of the trainer's mixed precision, in that of its weights.

    Args:
        loader: batches to measure on; None for the trainer's own loader of the stage, augmentation included.
        stage: "train" to measure at the end of training epochs, "validation" at the end of each validation.
        every_n_epochs: measure in each n-th epoch.
        submodule: name of the module to measure within the LightningModule; None for all of it, which then needs a
            ``forward`` from inputs to logits.
        prefix: of the logged names.
        **options: of ``measure``, such as ``layers``.

    Raises:
        MissingExtraError: neither lightning nor pytorch-lightning is installed.
        InvalidInputError: an unknown stage, no positive number of epochs; when training starts, a strategy that spreads
            one network over processes; at the first measurement, a trainer with not exactly one loader.
    """

    def __init__(
        self,
        loader: Iterable[Any] | None = None,
        *,
        stage: str = "train",
        every_n_epochs: int = 1,
        submodule: str | None = None,
        prefix: str = "collapse",
        **options: Any,
    ) -> None:
        super().__init__()
        if stage not in {"train", "validation"}:
            raise InvalidInputError(f'stage: expected "train" or "validation", but found {stage!r}; choose one')
        if every_n_epochs < 1:
            raise InvalidInputError(
                f"every_n_epochs: expected at least 1, but found {every_n_epochs}; leave out the callback instead"
            )
        self._loader, self._stage, self._every = loader, stage, every_n_epochs
        self._submodule, self._prefix, self._options = submodule, prefix, options
        self._series = MeasurementSeries()

    @property
    def series(self) -> MeasurementSeries:
        """The measurements of the last ``fit``, by global step; empty in processes other than that of rank zero."""
        return self._series

    def on_fit_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Start a new series."""
        if (name := type(trainer.strategy).__name__) in _SHARDED:
            raise InvalidInputError(
                f"strategy: expected a whole network in each process, but found {name}; measure a checkpoint with "
                "deepcollapse.observe.measure instead"
            )
        self._series = MeasurementSeries()

    def on_train_epoch_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Measure, if training epochs are asked for."""
        self._measure_at("train", trainer, pl_module)

    def on_validation_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Measure, if validations are asked for."""
        self._measure_at("validation", trainer, pl_module)

    def _measure_at(self, stage: Literal["train", "validation"], trainer: Any, module: nn.Module) -> None:
        due = (trainer.current_epoch + 1) % self._every == 0
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        if not (stage == self._stage and due and fitting and trainer.is_global_zero):
            return
        MeasurementSeries.later(self._series.steps, trainer.global_step)
        network = module if self._submodule is None else module.get_submodule(self._submodule)
        loader = _own_loader(trainer, stage) if self._loader is None else self._loader
        found = measure(network, loader, **self._options)
        self._series = self._series.followed_by(trainer.global_step, found)
        for logger in trainer.loggers:
            logger.log_metrics(logged_scalars(found, self._prefix), step=trainer.global_step)


def _own_loader(trainer: Any, stage: Literal["train", "validation"]) -> Iterable[Any]:
    found = trainer.train_dataloader if stage == "train" else trainer.val_dataloaders
    several = list(found.values()) if isinstance(found, dict) else found
    if isinstance(several, list | tuple) and len(several) == 1:
        return several[0]
    if several is None or isinstance(several, list | tuple):
        raise InvalidInputError(
            f"loader: expected one {stage} loader of the trainer, but found {len(several or ())}; pass the loader to "
            "measure on to CollapseCallback"
        )
    return several
