"""What loggers get of a measurement: names below a prefix, numbers and singular values."""

import numpy as np

from deepcollapse.observe.measurement import Measurement

__all__ = ["logged_scalars", "logged_spectra", "prefixed"]


def prefixed(prefix: str, name: str) -> str:
    """The name below the prefix.

    >>> prefixed("train", "fc/nc1/papyan"), prefixed("", "fc/nc1/papyan")
    ('train/fc/nc1/papyan', 'fc/nc1/papyan')
    """
    return f"{prefix}/{name}" if prefix else name


def logged_scalars(measurement: Measurement, prefix: str) -> dict[str, float]:
    """Every number that has a value, by "prefix/layer/metric"."""
    return {prefixed(prefix, name): value for name, value in measurement.scalars().items()}


def logged_spectra(measurement: Measurement, prefix: str) -> dict[str, np.ndarray]:
    """Singular values of the centred class means, by "prefix/layer/singular_values"."""
    return {
        prefixed(prefix, f"{layer.name}/singular_values"): layer.metrics.spectrum.singular_values
        for layer in measurement.layers
        if layer.metrics
    }
