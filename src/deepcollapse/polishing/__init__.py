"""From the end of a training to a rest point of the feature model, at kinks of the ReLU or not, and what it is."""

from deepcollapse.polishing.multipliers import Bent, FirstOrder, Multipliers, first_order
from deepcollapse.polishing.run_end import LARGEST_END, NearRest, near_rest
from deepcollapse.polishing.second_order import KinkVerdict, kink_verdict

__all__ = [
    "LARGEST_END",
    "Bent",
    "FirstOrder",
    "KinkVerdict",
    "Multipliers",
    "NearRest",
    "first_order",
    "kink_verdict",
    "near_rest",
]
