"""Experiments: from a specification to a result that is a plain frozen dataclass."""

from deepcollapse.experiments.feature_files import FeatureMeasurement, measure_files
from deepcollapse.experiments.kept_runs import KeptRuns, run_settings
from deepcollapse.experiments.train_experiment import TrainResult, train_experiment
from deepcollapse.experiments.train_spec import TrainSpec, shipped_specs, train_spec

__all__ = [
    "FeatureMeasurement",
    "KeptRuns",
    "TrainResult",
    "TrainSpec",
    "measure_files",
    "run_settings",
    "shipped_specs",
    "train_experiment",
    "train_spec",
]
