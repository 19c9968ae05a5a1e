"""
Deeper means lower rank
=======================

Decay on :math:`M = L + 1` factors acts on the logits like :math:`\\sum_i s_i^{2/M}`, which tends to the rank as the
network gets deeper. So solutions of lower and lower rank win.
"""

import numpy as np
from matplotlib.figure import Figure

import deepcollapse as dc
from deepcollapse.plot.style import BLUE, GREEN, VERMILION

LAYERS = range(1, 9)
COLOURS = {"simplex": BLUE, "paired": VERMILION, "T5": GREEN, "circle": "#cc79a7"}

with dc.plot.style():
    lines = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = lines.subplots()
    problems = [dc.Problem(classes=10, layers=layers) for layers in LAYERS]
    best = np.array([dc.landscape.atlas_entry(10, layers).loss for layers in LAYERS])
    for name, colour in COLOURS.items():
        found = [dc.structure(name, problem) for problem in problems]
        ratio = np.array([one.loss for one in found]) / best
        label = f"{name}, rank {found[0].rank}"
        axes.plot(LAYERS, ratio, marker="o", markersize=3, color=colour, label=label)
    axes.set(xlabel="layers L", ylabel="loss / best known loss", ylim=(0.95, 2.5))
    axes.legend()

# %%
# The rank of the best known point for each number of classes and layers, from the shipped atlas.

with dc.plot.style():
    ranks = Figure(figsize=(5.6, 3.0), layout="constrained")
    axes = ranks.subplots()
    entries = {(k, l): dc.landscape.atlas_entry(k, l) for k in range(4, 17) for l in LAYERS}
    shares = np.array([[entries[k, l].rank / (k - 1) for k in range(4, 17)] for l in LAYERS])
    extent = (3.5, 16.5, 0.5, 8.5)
    image = axes.imshow(shares, cmap="Blues", origin="lower", extent=extent, aspect="auto", vmin=0)
    for (k, l), entry in entries.items():
        colour = "white" if entry.rank > 0.6 * (k - 1) else "black"
        axes.text(k, l, str(entry.rank), ha="center", va="center", color=colour, fontsize=7)
    axes.set(xlabel="classes K", ylabel="layers L")
    ranks.colorbar(image, label="rank / (K - 1)")
