"""Experiments: from a specification to a result that is a plain frozen dataclass."""

from deepcollapse.experiments.digits import DigitsResult, DigitsSpec, digits_experiment
from deepcollapse.experiments.feature_files import FeatureMeasurement, measure_files
from deepcollapse.experiments.kept_runs import KeptRuns, run_settings

__all__ = [
    "DigitsResult",
    "DigitsSpec",
    "FeatureMeasurement",
    "KeptRuns",
    "digits_experiment",
    "measure_files",
    "run_settings",
]
