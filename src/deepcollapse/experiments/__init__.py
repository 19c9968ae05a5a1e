"""Experiments: from a specification to a result that is a plain frozen dataclass."""

from deepcollapse.experiments.digits import DigitsResult, DigitsSpec, digits_experiment

__all__ = ["DigitsResult", "DigitsSpec", "digits_experiment"]
