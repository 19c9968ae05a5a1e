"""Experiments: from a specification to a result that is a plain frozen dataclass."""

from deepcollapse.experiments.feature_files import FeatureMeasurement, measure_files
from deepcollapse.experiments.kept_runs import KeptRuns, run_settings
from deepcollapse.experiments.run_kinds import RUN_KINDS, RunSpec, run_spec
from deepcollapse.experiments.run_result import RunResult
from deepcollapse.experiments.train_experiment import TrainResult, train_experiment
from deepcollapse.experiments.train_spec import TrainSpec, shipped_specs, train_spec

__all__ = [
    "RUN_KINDS",
    "FeatureMeasurement",
    "KeptRuns",
    "RunResult",
    "RunSpec",
    "TrainResult",
    "TrainSpec",
    "measure_files",
    "run_settings",
    "run_spec",
    "shipped_specs",
    "train_experiment",
    "train_spec",
]
