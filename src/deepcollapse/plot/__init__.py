"""Figures: a result becomes a matplotlib figure. Nothing is saved and no global state is touched.

Save a figure inside ``with style():``, so that type and colours stay those it was laid out with.
"""

from deepcollapse.plot.depth import depth_figure
from deepcollapse.plot.logits import logits_figure
from deepcollapse.plot.losses import losses_figure
from deepcollapse.plot.measurement import measurement_figure, training_figure
from deepcollapse.plot.singular_values import singular_values_figure
from deepcollapse.plot.spectrum import Eigenvalues, spectrum_figure
from deepcollapse.plot.style import style
from deepcollapse.plot.trajectory import trajectory_figure

__all__ = [
    "Eigenvalues",
    "depth_figure",
    "logits_figure",
    "losses_figure",
    "measurement_figure",
    "singular_values_figure",
    "spectrum_figure",
    "style",
    "training_figure",
    "trajectory_figure",
]
