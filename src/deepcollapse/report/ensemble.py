"""The section of a report on an ensemble of models under gradient descent."""

import math

import numpy as np

from deepcollapse.plot import losses_figure
from deepcollapse.report.captions import Json, endpoint_losses, runs_in_words
from deepcollapse.report.page import Picture, Section, Table

__all__ = ["ensemble_section"]


def ensemble_section(overview: Json, ensemble: Json) -> Section:
    """How many runs ended where, and at which loss, for the problem of the overview."""
    bound = overview["dnc"]["loss"] if overview["dnc"]["exists"] else None
    losses = [loss for loss in ensemble["losses"] if loss is not None and math.isfinite(loss)]
    levels = {entry["name"]: entry["loss"] for entry in overview["structures"]}
    counts = ensemble["structures"]
    verdict = endpoint_losses(losses, bound)
    return Section(
        heading="Where gradient descent ends",
        prose=(runs_in_words(ensemble),),
        pictures=(
            Picture(
                figure=losses_figure(levels, np.array(losses, dtype=float), bound=bound),
                caption=f"Losses of the structures (right) and of the runs' endpoints (left). {verdict}",
                description=f"Levels of loss, cheapest at the bottom, beside a histogram of endpoints. {verdict}",
                data=Table({"endpoint_loss": losses}),
            ),
        ),
        tables=(
            Table({"endpoint": list(counts), "runs": list(counts.values())}, caption="Converged runs by endpoint."),
        ),
    )
