"""Measurements in TensorBoard; extra ``tensorboard``."""

from os import PathLike
from typing import Any

from deepcollapse.integrations.logged import logged_scalars, logged_spectra
from deepcollapse.observe.measurement import Measurement
from deepcollapse.optional import optional_module

__all__ = ["log"]


def log(measurement: Measurement, writer: Any, *, step: int, prefix: str = "") -> None:
    """Write every scalar, and the singular values of every layer as histograms.

    Tags are "prefix/layer/metric" and "prefix/layer/singular_values".

    Args:
        measurement: of a network.
        writer: a ``torch.utils.tensorboard.SummaryWriter`` (or anything with its ``add_scalar`` and
            ``add_histogram``); or the folder of the log, in which each call then makes an event file of its own.
        step: of the training.
        prefix: of the tags.

    Raises:
        MissingExtraError: a folder was given, and TensorBoard is not installed.
    """
    if isinstance(writer, (str, PathLike)):
        with optional_module("torch.utils.tensorboard", extra="tensorboard").SummaryWriter(writer) as own:
            return log(measurement, own, step=step, prefix=prefix)
    for name, value in logged_scalars(measurement, prefix).items():
        writer.add_scalar(name, value, step)
    for name, values in logged_spectra(measurement, prefix).items():
        writer.add_histogram(name, values, step)
