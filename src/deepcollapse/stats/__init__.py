"""Mergeable statistics of labelled features."""

from deepcollapse.stats.moments import Centre, ClassMoments, class_moments

__all__ = ["Centre", "ClassMoments", "class_moments"]
