"""
Dimensions of solution sets
===========================

How many directions of parameter space keep the logits of collapse, over how many keep those of pairs: the paper's
count and the exact one, by width.
"""

import numpy as np
from matplotlib.figure import Figure

import deepcollapse as dc
from deepcollapse.plot.style import BLUE, VERMILION, log_ticks
from deepcollapse.theory import dimension_counts

problem = dc.Problem(classes=10, samples=5, layers=2, decay=2**-10)
widths = np.unique(np.geomspace(10, 1000, 40).astype(int))
pairs = dc.structure("paired", problem)
counts = [dimension_counts(problem.replace(width=int(d)), pairs) for d in widths]

with dc.plot.style():
    ratios = Figure(figsize=(5.6, 3.0), layout="constrained")
    axes = ratios.subplots()
    paper, exact = zip(*[one.ratio for one in counts], strict=True)
    axes.plot(widths, paper, color=VERMILION, label="the paper's count")
    axes.plot(widths, exact, color=BLUE, label="exact")
    axes.axhline(counts[0].ratio_limit, color="gray", linewidth=0.8, label="limit (K - 1) / r")
    axes.set(xlabel="width d", ylabel="dimension of collapse / of pairs", xscale="log", ylim=(0, 2))
    log_ticks(axes.xaxis, decades=2)
    axes.legend()
