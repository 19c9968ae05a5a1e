"""The figures of arXiv 2410.23169 from this software's own runs.

A drawing takes plain data (``width_figure(curves)``); ``paper_figures(store)`` selects the data from a store's plan and
draws what its runs allow; ``write_paper_figures(folder, found)`` puts the figures in a folder.
"""

from deepcollapse.plot.paper.collection import NUMBERS, PaperFigure, SkippedFigure, paper_figures
from deepcollapse.plot.paper.dimension import DimensionRatio, dimension_figure
from deepcollapse.plot.paper.ends import Curve, Ends
from deepcollapse.plot.paper.matrices import LogitMatrix, endpoints_figure
from deepcollapse.plot.paper.networks import NetworkRun, NetworkRuns, networks_figure, standard_decay_figure
from deepcollapse.plot.paper.planned import MissingRunsError
from deepcollapse.plot.paper.relu import ReluRuns, relu_figure
from deepcollapse.plot.paper.sweeps import decay_figure, width_figure
from deepcollapse.plot.paper.writing import write_paper_figures

__all__ = [
    "NUMBERS",
    "Curve",
    "DimensionRatio",
    "Ends",
    "LogitMatrix",
    "MissingRunsError",
    "NetworkRun",
    "NetworkRuns",
    "PaperFigure",
    "ReluRuns",
    "SkippedFigure",
    "decay_figure",
    "dimension_figure",
    "endpoints_figure",
    "networks_figure",
    "paper_figures",
    "relu_figure",
    "standard_decay_figure",
    "width_figure",
    "write_paper_figures",
]
