"""Hessian spectra: closed form at collapse, exact at any balanced critical point, matrix-free everywhere else."""

from deepcollapse.curvature.at_structure import structure_spectrum
from deepcollapse.curvature.balanced import balanced_spectrum
from deepcollapse.curvature.collapse_spectrum import collapse_spectrum
from deepcollapse.curvature.dimension import solution_dimension
from deepcollapse.curvature.gauge import gauge_directions
from deepcollapse.curvature.hessian import (
    HessianOperator,
    dense_hessian,
    flatten,
    hessian_at,
    hessian_vector_product,
    unflatten,
)
from deepcollapse.curvature.matrix_free import ExtremeEigenvalues, extreme_eigenvalues
from deepcollapse.curvature.settling import settling_rate
from deepcollapse.curvature.spectrum import Spectrum, merged
from deepcollapse.curvature.stability import (
    CollapseStability,
    GroupStability,
    collapse_stability,
    group_stability,
)

__all__ = [
    "CollapseStability",
    "ExtremeEigenvalues",
    "GroupStability",
    "HessianOperator",
    "Spectrum",
    "balanced_spectrum",
    "collapse_spectrum",
    "collapse_stability",
    "dense_hessian",
    "extreme_eigenvalues",
    "flatten",
    "gauge_directions",
    "group_stability",
    "hessian_at",
    "hessian_vector_product",
    "merged",
    "settling_rate",
    "solution_dimension",
    "structure_spectrum",
    "unflatten",
]
