from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from deepcollapse.curvature import collapse_spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import spectrum_figure
from deepcollapse.plot.style import BLUE, GREEN, VERMILION
from deepcollapse.ufm import Problem
from plot.drawn import cut_off, overlapping


def spectrum(values, counts, decay=0.5):
    return SimpleNamespace(eigenvalues=np.array(values), multiplicities=np.array(counts), decay=decay)


def shown(axes):
    """Colour -> {eigenvalue: multiplicity} of the markers."""
    lines = [line for line in axes.lines if line.get_marker() in "vso"]
    return {to_hex(line.get_color()): dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in lines}


def test_eigenvalues_are_coloured_by_sign_in_units_of_the_decay():
    figure = spectrum_figure({"point": spectrum([-1.0, -4e-7, 0.0, 4e-7, 1.0, 3.0], [14, 1, 20, 2, 300, 7])})
    axes = figure.axes[0]
    assert shown(axes) == {
        VERMILION: {-2.0: 14},
        GREEN: {-8e-7: 1, 0.0: 20, 8e-7: 2},
        BLUE: {2.0: 300, 6.0: 7},
    }
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["negative: 14", "zero: 23", "positive: 307"]


def test_zero_is_marked():
    axes = spectrum_figure({"point": spectrum([1.0, 2.0], [3, 4])}).axes[0]
    assert any(list(line.get_xdata()) == [0.0, 0.0] for line in axes.lines)
    low, high = axes.get_xlim()
    assert low < 0 < high


@pytest.mark.parametrize(
    "problem",
    [
        Problem(classes=2, layers=1),
        Problem(classes=3, layers=2, decay=1e-6),
        Problem(classes=7, layers=3, width=7, decay=2.0**-4 / 4),
        Problem(classes=10, samples=5, layers=2, width=70),
        Problem(classes=1000, layers=3, width=4096, decay=1e-9),
    ],
)
def test_a_real_spectrum_is_shown_whole(problem):
    found = collapse_spectrum(problem)
    figure = spectrum_figure({"simplex": found, "again": found})
    for axes in figure.axes:
        together = {value: count for kind in shown(axes).values() for value, count in kind.items()}
        expected = dict(zip(found.eigenvalues / found.decay, found.multiplicities, strict=True))
        assert together == expected
        low, high = axes.get_ylim()
        assert low < 1 <= found.multiplicities.max() < high
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_panels_share_their_axes():
    figure = spectrum_figure({"a": spectrum([0.0, 1.0], [1, 10**6]), "b": spectrum([-3.0, 9.0], [1, 1])})
    first, second = figure.axes
    assert first.get_xlim() == second.get_xlim()
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[1] > 10**6


def test_refuses_what_is_no_spectrum():
    with pytest.raises(InvalidInputError, match="spectra: expected at least one, but found none"):
        spectrum_figure({})
    with pytest.raises(
        InvalidInputError, match=r"as many multiplicities as eigenvalues.*shapes \(1,\) and \(2,\) in 'a'"
    ):
        spectrum_figure({"a": spectrum([0.0, 1.0], [1])})
    with pytest.raises(InvalidInputError, match=r"at least one, but found shapes \(0,\)"):
        spectrum_figure({"a": spectrum(np.zeros(0), np.zeros(0, dtype=int))})
