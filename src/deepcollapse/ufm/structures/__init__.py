"""Logit structures: families with closed forms, the relaxed pairs, given matrices, and the catalogue of all."""

from deepcollapse.ufm.structures.catalogue import collapse, structure, structures
from deepcollapse.ufm.structures.families import (
    circle,
    incidence_matrix,
    orthogonal_frame,
    paired_trial,
    partition,
    simplex,
    triangular,
    triangular_points,
)
from deepcollapse.ufm.structures.given import given
from deepcollapse.ufm.structures.one_layer_frame import one_layer_frame
from deepcollapse.ufm.structures.pattern import Pattern, Structure, diagonally_superior, solve, zero
from deepcollapse.ufm.structures.relaxed import relaxed_pairs

__all__ = [
    "Pattern",
    "Structure",
    "circle",
    "collapse",
    "diagonally_superior",
    "given",
    "incidence_matrix",
    "one_layer_frame",
    "orthogonal_frame",
    "paired_trial",
    "partition",
    "relaxed_pairs",
    "simplex",
    "solve",
    "structure",
    "structures",
    "triangular",
    "triangular_points",
    "zero",
]
