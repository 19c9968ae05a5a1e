"""
Where gradient descent ends
===========================

Forty-eight runs of a model of six classes from each of three initial sizes, to convergence. Losses of the critical
points are the same for all; what changes is which of them is reached.
"""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

import deepcollapse as dc
from deepcollapse.plot.style import BLUE, GREEN, VERMILION, log_ticks
from deepcollapse.simulate import Initialisation, TorchEngine, descent, simulate, trajectories

problem = dc.Problem(classes=6, layers=2, width=20, decay=2**-8)
laws = {f"scale {scale}": Initialisation(scale=scale) for scale in (0.5, 1.0, 1.5)}
ensembles = {name: simulate(problem, seeds=48, lr=2.0, initialisation=law) for name, law in laws.items()}
for name, found in ensembles.items():
    print(f"{name}: {found.decided} of {found.runs} decided, {dict(found.structure_counts())}")

# %%
# The share of each end among all runs; what a bar lacks is undecided:

ends = Counter(end for found in ensembles.values() for end in found.structure_counts())
colours = (VERMILION, BLUE, GREEN, "#cc79a7", "#e69f00")
with dc.plot.style():
    shares = Figure(figsize=(5.6, 2.8), layout="constrained")
    axes = shares.subplots()
    left = np.zeros(len(laws))
    for end, colour in zip(ends, colours, strict=False):
        counts = [found.structure_counts().get(end, 0) for found in ensembles.values()]
        width = np.array(counts) / [found.runs for found in ensembles.values()]
        axes.barh(list(laws), width, left=left, height=0.6, label=end, color=colour)
        left += width
    axes.set(xlabel="share of runs", xlim=(0, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=len(ends))

# %%
# Four runs at scale 1 on their way, from looks at log-spaced steps: the singular values of their logits.

rule = descent(problem, 2.0)
starts = laws["scale 1.0"].starts(problem, range(4))
ways = trajectories(problem, starts, descent=rule, engine=TorchEngine())
with dc.plot.style():
    values = Figure(figsize=(6.4, 4.2), layout="constrained")
    grid = values.subplots(2, 2, sharex=True, sharey=True).flat
    for axes, way in zip(grid, ways, strict=True):
        looks = np.array([look.singular_values for look in way.snapshots])
        axes.plot(way.steps + 1, looks, color=BLUE, linewidth=0.9)
        axes.set(title=f"seed {way.seed}", xscale="log", yscale="log", ylim=(1e-4, 50))
        log_ticks(axes.xaxis, decades=4)
        log_ticks(axes.yaxis, decades=6)
    values.supxlabel("step")
    values.supylabel("singular value")
