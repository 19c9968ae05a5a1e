"""Measurements in Weights & Biases; extra ``wandb``."""

from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.integrations.logged import logged_scalars, logged_spectra
from deepcollapse.observe.measurement import Measurement
from deepcollapse.optional import optional_module

__all__ = ["log"]


def log(measurement: Measurement, run: Any = None, *, step: int, prefix: str = "") -> None:
    """Log every scalar, and the singular values of every layer as histograms.

    Names are "prefix/layer/metric" and "prefix/layer/singular_values". All of it belongs to one step, which stays open
    for further values of the same step.

    Args:
        measurement: of a network.
        run: what ``wandb.init`` returned; None for the run that is active.
        step: of the training, not before the run's own, since Weights & Biases drops what comes late.
        prefix: of the names.

    Raises:
        MissingExtraError: wandb is not installed.
        InvalidInputError: no run is active, or the step is over.
    """
    wandb = optional_module("wandb", extra="wandb")
    run = wandb.run if run is None else run
    if run is None:
        raise InvalidInputError("run: expected an active run, but found none; call wandb.init first, or pass a run")
    if step < run.step:
        raise InvalidInputError(
            f"step: expected at least {run.step}, where the run is, but found {step}, which would be dropped; log in "
            "the order of steps, and pass step to every run.log"
        )
    spectra = {name: wandb.Histogram(values) for name, values in logged_spectra(measurement, prefix).items()}
    run.log(logged_scalars(measurement, prefix) | spectra, step=step)
