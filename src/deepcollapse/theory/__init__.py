"""The theorems as computations: certificates, closed forms, and inequalities proven in interval arithmetic."""

from deepcollapse.theory.baseline import baseline, collapse_scale
from deepcollapse.theory.certificate import Certificate, Check
from deepcollapse.theory.imbalance import imbalance, penalty_depth, step_samples
from deepcollapse.theory.known import fitting_collapse, known_points, lowest_rival
from deepcollapse.theory.overview import Overview, Point, overview, points
from deepcollapse.theory.rigorous import Refutation, refutation
from deepcollapse.theory.t1 import decay_crossing, equal_scale_sides, t1
from deepcollapse.theory.t2 import crossing_depth, t2
from deepcollapse.theory.t3 import DepthPoint, least_rank, minimisers_by_depth, singular_value_bound, t3
from deepcollapse.theory.t4 import t4
from deepcollapse.theory.t5 import Counts, dimension_counts, paper_dimension, t5
from deepcollapse.theory.t6 import hessian_trace, norm_ratios, t6, trace_ratio_limit
from deepcollapse.theory.t7 import inequality_sides, pairs_sides, t7

__all__ = [
    "Certificate",
    "Check",
    "Counts",
    "DepthPoint",
    "Overview",
    "Point",
    "Refutation",
    "baseline",
    "collapse_scale",
    "crossing_depth",
    "decay_crossing",
    "dimension_counts",
    "equal_scale_sides",
    "fitting_collapse",
    "hessian_trace",
    "imbalance",
    "inequality_sides",
    "known_points",
    "least_rank",
    "lowest_rival",
    "minimisers_by_depth",
    "norm_ratios",
    "overview",
    "pairs_sides",
    "paper_dimension",
    "penalty_depth",
    "points",
    "refutation",
    "singular_value_bound",
    "step_samples",
    "t1",
    "t2",
    "t3",
    "t4",
    "t5",
    "t6",
    "t7",
    "trace_ratio_limit",
]
