"""Metrics of neural collapse: from class moments and classifier to one number each, in float64."""

from deepcollapse.metrics.between import BetweenClass, between_class
from deepcollapse.metrics.nc1 import nc1
from deepcollapse.metrics.nc2 import equiangularity, equinorm
from deepcollapse.metrics.nc3 import nc3
from deepcollapse.metrics.quotient import variability_quotient

__all__ = ["BetweenClass", "between_class", "equiangularity", "equinorm", "nc1", "nc3", "variability_quotient"]
