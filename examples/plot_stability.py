"""
When collapse is a saddle
=========================

Collapse is a local minimum up to a decay that falls exponentially with the number of classes. Dashed: the largest
decay at which it exists at all.
"""

import numpy as np
from matplotlib.figure import Figure

import deepcollapse as dc
from deepcollapse.curvature import collapse_stability
from deepcollapse.plot.style import BLUE, GREEN, VERMILION, log_ticks
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.structures import simplex

CLASSES = np.unique(np.geomspace(4, 100, 25).astype(int))


def existence(problem: dc.Problem) -> float:
    """The decay of the fold."""
    return Ray(simplex(problem).blocks[0], problem).fold()[1]


with dc.plot.style():
    limits = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = limits.subplots()
    for layers, colour in {2: BLUE, 3: VERMILION, 5: GREEN}.items():
        problems = [dc.Problem(classes=int(k), layers=layers) for k in CLASSES]
        stable = [collapse_stability(one).decay_max for one in problems]
        exists = [existence(one) for one in problems]
        axes.plot(CLASSES, stable, color=colour, label=f"L = {layers}")
        axes.plot(CLASSES, exists, color=colour, linestyle="--", linewidth=0.8)
    axes.axhline(2**-10, color="gray", linewidth=0.8)
    axes.text(100, 2**-10 / 30, "the paper's decay, 1/1024", ha="right", fontsize=8)
    axes.set(xlabel="classes K", ylabel="decay", yscale="log", ylim=(1e-20, 1))
    log_ticks(axes.yaxis, decades=20)
    axes.legend(loc="lower left")
