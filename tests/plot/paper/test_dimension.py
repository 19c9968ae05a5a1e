import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import Curve, DimensionRatio, Ends, dimension_figure
from plot.drawn import cut_off, overlapping

WIDTHS = np.array([10.0, 20.0, 70.0, 140.0])
RATIO = DimensionRatio(
    widths=WIDTHS,
    paper=np.array([0.36, 1.3, 1.6, 1.7]),
    exact=9 * (2 * WIDTHS - 10) / (5 * (2 * WIDTHS - 6)),
    limit=1.8,
    structure="paired",
    rank=5,
)
ENDS = [Ends(collapsed=count, ranks={5: 16 - count} | ({9: count} if count else {})) for count in (0, 0, 4, 13)]
CURVES = [Curve(label=f"init scale {scale:g}", x=WIDTHS, ends=ENDS) for scale in (0.5, 1.0, 1.5, 2.0)]


def test_both_counts_and_the_limit_are_drawn():
    lines = {line.get_label(): line for line in dimension_figure(CURVES, RATIO).axes[1].lines}
    np.testing.assert_array_equal(lines["exact"].get_xydata(), np.column_stack([WIDTHS, RATIO.exact]))
    np.testing.assert_array_equal(lines["paper's count"].get_xydata(), np.column_stack([WIDTHS, RATIO.paper]))
    assert lines["limit 1.8"].get_ydata()[0] == 1.8


def test_rates_stand_on_the_same_axis_of_widths():
    figure = dimension_figure(CURVES, RATIO, remarks=["More."])
    left, right = figure.axes[:2]
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xscale() == right.get_xscale() == "log"
    np.testing.assert_allclose(left.containers[0].lines[0].get_ydata(), [0, 0, 0.25, 13 / 16])
    assert figure.get_supxlabel() == "256 runs: 256 decided. R(d): collapse over paired, rank 5. More."


@pytest.mark.parametrize("count", [1, 4])
def test_nothing_overlaps_or_is_cut_off(count):
    figure = dimension_figure(CURVES[:count], RATIO)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_no_curve_is_an_error():
    with pytest.raises(
        InvalidInputError, match="curves: expected at least one, but found none; run a sweep over the width"
    ):
        dimension_figure([], RATIO)
