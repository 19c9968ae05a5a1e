"""Mergeable statistics of labelled features."""

from deepcollapse.stats.distributed import gathered
from deepcollapse.stats.moments import Centre, ClassMoments
from deepcollapse.stats.stream import MomentStream
from deepcollapse.stats.sums import class_moments

__all__ = ["Centre", "ClassMoments", "MomentStream", "class_moments", "gathered"]
