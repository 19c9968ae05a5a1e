"""Measurement of anybody's network: features of any torch module, streamed into statistics in one pass."""

from deepcollapse.observe.classifier import Classifier
from deepcollapse.observe.measurement import LayerMeasurement, Measurement
from deepcollapse.observe.network import measure, measured
from deepcollapse.observe.probe import Observation, probe
from deepcollapse.observe.recorder import MeasurementSeries, Recorder

__all__ = [
    "Classifier",
    "LayerMeasurement",
    "Measurement",
    "MeasurementSeries",
    "Observation",
    "Recorder",
    "measure",
    "measured",
    "probe",
]
