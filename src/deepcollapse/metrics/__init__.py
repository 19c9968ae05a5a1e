"""Metrics of neural collapse: from class moments and classifier to one number each, in float64."""

from deepcollapse.metrics.between import BetweenClass, between_class
from deepcollapse.metrics.cdnv import cdnv
from deepcollapse.metrics.collapse_metrics import CollapseMetrics, collapse_metrics
from deepcollapse.metrics.gnc2 import generalised_nc2
from deepcollapse.metrics.nc1 import nc1
from deepcollapse.metrics.nc2 import equiangularity, equinorm, etf_error
from deepcollapse.metrics.nc3 import nc3, nc3_cosines, nc3_etf, subspace_residual
from deepcollapse.metrics.nc4 import nc4_agreement, nc4_matches
from deepcollapse.metrics.nc5 import nc5
from deepcollapse.metrics.quotient import variability_quotient
from deepcollapse.metrics.spectrum import Spectrum, schatten, spectrum
from deepcollapse.metrics.structure_match import StructureMatch, structure_distances

__all__ = [
    "BetweenClass",
    "CollapseMetrics",
    "Spectrum",
    "StructureMatch",
    "between_class",
    "cdnv",
    "collapse_metrics",
    "equiangularity",
    "equinorm",
    "etf_error",
    "generalised_nc2",
    "nc1",
    "nc3",
    "nc3_cosines",
    "nc3_etf",
    "nc4_agreement",
    "nc4_matches",
    "nc5",
    "schatten",
    "spectrum",
    "structure_distances",
    "subspace_residual",
    "variability_quotient",
]
