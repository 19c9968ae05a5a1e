"""Hessian spectra: eigenvalue against multiplicity."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from deepcollapse.curvature.spectrum import ZERO
from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.style import BLUE, FAINT, GREEN, PAPER, VERMILION, frame, power_of_ten, styled

__all__ = ["Eigenvalues", "spectrum_figure"]


@runtime_checkable
class Eigenvalues(Protocol):
    """Distinct eigenvalues, how often each occurs, and the decay in whose units they are shown."""

    @property
    def eigenvalues(self) -> Float[np.ndarray, " m"]:
        """Distinct eigenvalues of the Hessian."""
        ...

    @property
    def multiplicities(self) -> Int[np.ndarray, " m"]:
        """How often each occurs, >= 1."""
        ...

    @property
    def decay(self) -> float:
        """Weight decay > 0, the geometric mean over the factors."""
        ...


@styled
def spectrum_figure(spectra: Mapping[str, Eigenvalues]) -> Figure:
    """Multiplicity (logarithmic) against Hessian eigenvalue in units of the decay, one panel per name, shared axes.

    Negative eigenvalues, zero and positive ones have their own colour and marker; the legend counts each kind with
    multiplicity. An eigenvalue counts as zero within ``curvature.spectrum.ZERO`` decays of it.

    Args:
        spectra: name -> spectrum.

    Raises:
        InvalidInputError: no spectrum, an empty one, or multiplicities that do not belong to the eigenvalues.
    """
    for name, spectrum in spectra.items():
        _expect_spectrum(name, spectrum)
    if not spectra:
        raise InvalidInputError("spectra: expected at least one, but found none; give name: spectrum")
    figure = Figure(figsize=(6.4, 0.5 + 2.1 * len(spectra)), layout="constrained")
    grid = figure.subplots(len(spectra), 1, squeeze=False, sharex=True, sharey=True)
    for axes, (name, spectrum) in zip(grid.flat, spectra.items(), strict=True):
        _panel(axes, spectrum)
        axes.set_title(name)
        axes.set_ylabel("multiplicity")
    grid[-1, 0].set_xlabel("Hessian eigenvalue / decay")
    return figure


def _panel(axes: Axes, spectrum: Eigenvalues) -> None:
    frame(axes, grid="y")
    axes.set_yscale("log")
    values, counts = spectrum.eigenvalues / spectrum.decay, spectrum.multiplicities
    axes.axvline(0.0, color=FAINT, linewidth=0.8)
    kinds = (
        (values < -ZERO, VERMILION, "v", "negative"),
        (np.abs(values) <= ZERO, GREEN, "s", "zero"),
        (values > ZERO, BLUE, "o", "positive"),
    )
    for chosen, color, marker, name in kinds:
        axes.vlines(values[chosen], 0.5, counts[chosen], color=color, linewidth=1.6, alpha=0.55)
        axes.plot(
            values[chosen],
            counts[chosen],
            linestyle="none",
            marker=marker,
            markersize=5.5,
            color=color,
            markeredgecolor=PAPER,
            label=f"{name}: {int(counts[chosen].sum()):,}",
        )
    axes.set_ylim(0.5, 3.0 * max(counts.max(), axes.get_ylim()[1] / 3.0))
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.02), borderpad=0.0, columnspacing=1.4)


def _expect_spectrum(name: str, spectrum: Eigenvalues) -> None:
    values, counts = np.shape(spectrum.eigenvalues), np.shape(spectrum.multiplicities)
    if len(values) != 1 or values != counts or values == (0,):
        raise InvalidInputError(
            f"spectra: expected as many multiplicities as eigenvalues, at least one, but found shapes {counts} and "
            f"{values} in {name!r}; give distinct eigenvalues and how often each occurs"
        )
