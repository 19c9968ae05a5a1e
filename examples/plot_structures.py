"""
Structures of ten classes
=========================

Class logits of deep neural collapse and of cheaper solutions, on one colour scale. Column k holds the logits of
class k's samples.
"""

import deepcollapse as dc

problem = dc.Problem(classes=10, samples=5, layers=2, width=70, decay=2**-10)
names = ("simplex", "paired", "T5", "partition-2-8")
shown = [dc.structure(name, problem) for name in names]
titles = [f"{one.name}, rank {one.rank}, loss {one.loss:.4f}" for one in shown]
logits = dc.plot.logits_figure(shown, titles, panel_inches=3.4)

# %%
# The losses of all named structures against that of collapse. The axis ends as far above it as the best is below it.

known = [found for found in dc.structures(problem) if found.critical and found.rank]
levels = {found.name: found.loss for found in known}
losses = dc.plot.losses_figure(levels, bound=dc.collapse(problem).loss)
