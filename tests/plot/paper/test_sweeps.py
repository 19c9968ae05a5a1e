"""Figures of sweeps: rates with their intervals, rank bars, relative losses, and what the note says."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.files import pdf, png
from deepcollapse.plot.paper import Curve, Ends, decay_figure, width_figure
from deepcollapse.simulate import rate
from plot.drawn import cut_off, drawn_texts, overlapping

WIDTHS = np.array([10.0, 40.0, 70.0, 140.0])
ENDS = (
    Ends(collapsed=0, ranks={5: 12, 8: 4}),
    Ends(collapsed=1, ranks={5: 9, 7: 3, 8: 2, 9: 1}, not_converged=1),
    Ends(collapsed=8, ranks={5: 6, 9: 8}, not_converged=1, diverged=1),
    Ends(collapsed=0, ranks={}, not_converged=16),
)
CURVE = Curve(label="init scale 1", x=WIDTHS, ends=ENDS)
OTHER = Curve(label="init scale 2", x=WIDTHS[:2], ends=ENDS[1:3])
DECAYS = 2.0 ** np.array([-12.0, -10.0, -8.0, -6.0])
LOSSES = Curve(
    label="",
    x=DECAYS,
    ends=ENDS,
    places=np.repeat(DECAYS[:2], 2),
    relative_losses=np.array([0.97, 1.0, 0.9, 0.95]),
    known=np.array([DECAYS[:3], [0.97, 0.9, 0.8]]),
    without_bound=14,
)


def points(axes):
    """Places, rates and interval ends of every error bar container."""
    found = []
    for line, _, (bars,) in (box.lines for box in axes.containers):
        ends = np.array(
            [[segment[0][1], segment[1][1]] if len(segment) else [np.nan] * 2 for segment in bars.get_segments()]
        )
        found.append((line.get_xdata(), line.get_ydata(), ends))
    return found


def bars(axes):
    """(place, bottom, height, hatch) of every bar."""
    return [
        (round(bar.get_x() + bar.get_width() / 2), bar.get_y(), bar.get_height(), bar.get_hatch())
        for bar in axes.patches
    ]


def test_rates_are_the_shares_with_wilson_intervals():
    axes = width_figure([CURVE]).axes[0]
    ((places, values, ends),) = points(axes)
    np.testing.assert_array_equal(places, WIDTHS)
    np.testing.assert_allclose(values, [0.0, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(ends[0], np.clip(rate(0, 16).interval, 0, 1), atol=1e-12)
    dotted = [np.asarray(segment)[:, 1] for segment in axes.collections[-1].get_segments() if len(segment)]
    wanted = [rate(1, 16, undecided=1).interval, rate(8, 16, undecided=2).interval, (0.0, 1.0)]
    np.testing.assert_allclose([ends for ends in dotted if np.isfinite(ends).all()], wanted, atol=1e-12)


def test_where_no_run_converged_there_is_a_gap_but_a_hatched_bar():
    figure = width_figure([CURVE])
    assert np.isnan(points(figure.axes[0])[0][1][3])
    assert bars(figure.axes[1])[-1] == (3, 0.0, 1.0, "/////")


def test_curves_at_one_place_keep_their_data():
    found = points(width_figure([CURVE, OTHER]).axes[0])
    np.testing.assert_array_equal(found[0][0], WIDTHS)
    np.testing.assert_array_equal(found[1][0], WIDTHS[:2])


def test_bars_are_shares_of_all_runs_stacked_by_rank():
    found = [bar for bar in bars(width_figure([CURVE]).axes[1]) if bar[0] == 2]
    heights = [6 / 16, 8 / 16, 1 / 16, 1 / 16]
    np.testing.assert_allclose([bar[2] for bar in found], heights)
    np.testing.assert_allclose([bar[1] for bar in found], np.cumsum([0, *heights[:-1]]))
    assert [bar[3] for bar in found] == [None, None, "/////", "xxxxx"]


def test_a_rank_has_one_colour_and_higher_ones_are_darker():
    figure = width_figure([CURVE, OTHER])
    looks = {}
    for axes in figure.axes[1:]:
        for patch in axes.get_legend().get_patches() if axes.get_legend() else ():
            looks[patch.get_label()] = patch.get_facecolor()[:3]
    ranks = sorted((name for name in looks if name.startswith("rank")), key=lambda name: int(name.split()[1]))
    assert ranks == ["rank 5", "rank 7", "rank 8", "rank 9"]
    light = [np.dot(to_rgb(looks[rank]), [0.2126, 0.7152, 0.0722]) for rank in ranks]
    assert light == sorted(light, reverse=True)
    assert min(-np.diff(light)) > 0.05
    assert {"undecided", "diverged"} <= set(looks)


def test_the_note_counts_runs_and_keeps_remarks():
    figure = width_figure([CURVE], remarks=["3 of 4 planned runs are done."])
    assert figure.get_supxlabel() == ("64 runs: 45 decided, 18 undecided, 1 diverged. 3 of 4 planned runs are done.")
    assert any("n = 16" in text for text, _ in drawn_texts(figure))


def test_unequal_numbers_of_runs_are_a_range():
    uneven = Curve(label="", x=WIDTHS[:2], ends=[ENDS[0], Ends(collapsed=0, ranks={5: 3})])
    assert "n = 3 to 16" in [text for text, _ in drawn_texts(width_figure([uneven]))]


def test_losses_are_those_given():
    figure = decay_figure([LOSSES])
    known, ends = (
        line for line in figure.axes[1].lines if line.get_label() in ("best structure known", "decided runs")
    )
    np.testing.assert_array_equal(known.get_xydata().T, LOSSES.known)
    np.testing.assert_array_equal(ends.get_xydata(), np.column_stack([LOSSES.places, LOSSES.relative_losses]))
    assert "14 endpoints at decays where DNC does not exist have no ratio." in figure.get_supxlabel().replace("\n", " ")
    assert figure.axes[0].get_xscale() == figure.axes[1].get_xscale() == "log"


def test_the_rank_bars_of_decays_are_named_by_powers():
    names = [label.get_text() for label in decay_figure([LOSSES]).axes[2].get_xticklabels()]
    assert names == ["2⁻¹²", "2⁻¹⁰", "2⁻⁸", "2⁻⁶"]


def test_of_many_places_few_are_named():
    places = np.arange(10.0, 170.0, 10.0)
    curve = Curve(label="", x=places, ends=[ENDS[0]] * 16)
    for count in (1, 4):
        axes = width_figure([curve] * count).axes[1]
        named = dict(zip(axes.get_xticks(), (label.get_text() for label in axes.get_xticklabels()), strict=True))
        assert all(name == f"{places[int(place)]:g}" for place, name in named.items())
        assert named[15] == "160"
        assert len({round(bar.get_x() + bar.get_width() / 2) for bar in axes.patches}) == 16
        assert overlapping(axes.figure) == []


@pytest.mark.parametrize("count", [1, 4, 6])
@pytest.mark.parametrize("draw", [width_figure, decay_figure])
def test_nothing_overlaps_or_is_cut_off(draw, count):
    places = 2.0 ** np.arange(-13, -7) if draw is decay_figure else np.array([10.0, 20.0, 40.0, 70.0, 140.0, 280.0])
    ends = [*ENDS, *ENDS[:2]]
    figure = draw([Curve(label=f"init scale {index / 2 + 0.5:g}", x=places, ends=ends) for index in range(count)])
    assert overlapping(figure) == []
    assert cut_off(figure) == []
    assert figure.get_size_inches()[0] == 6.75


def test_drawing_twice_gives_the_same_bytes():
    one, other = width_figure([CURVE, OTHER]), width_figure([CURVE, OTHER])
    assert pdf(one) == pdf(other)
    assert png(one) == png(other)


def test_no_curve_is_an_error():
    for draw in (width_figure, decay_figure):
        with pytest.raises(InvalidInputError, match="curves: expected at least one, but found none; run a sweep"):
            draw([])
