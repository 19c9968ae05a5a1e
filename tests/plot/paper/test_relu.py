import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import Ends, ReluRuns, relu_figure
from plot.drawn import cut_off, overlapping

BOUND, NETWORKS = 0.14706, {"relu-T5": 0.13998, "relu-pairs": 0.14905}
RUNS = ReluRuns(
    label="init scale 1",
    losses=np.array([0.135, 0.13, 0.14, 0.15]),
    undecided_losses=np.array([0.145]),
    ends=Ends(collapsed=0, ranks={4: 3, 5: 1}, not_converged=1, diverged=1),
)
FAR = ReluRuns(
    label="init scale 2",
    losses=np.append(np.full(9, 0.14), 2.3),
    undecided_losses=np.zeros(0),
    ends=Ends(collapsed=0, ranks={0: 1, 4: 9}),
)


def marks(axes, *, filled):
    lines = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    chosen = [line for line in lines if (line.get_markerfacecolor() == line.get_markeredgecolor()) == filled]
    return [tuple(point) for line in chosen for point in line.get_xydata().tolist()]


def verticals(axes):
    return {
        line.get_label(): line.get_xdata()[0]
        for line in axes.lines
        if line.get_label()[-1].isdigit() and "0." in line.get_label()
    }


def test_shares_of_all_runs_at_or_below_each_loss():
    axes = relu_figure([RUNS], bound=BOUND, networks=NETWORKS).axes[0]
    assert marks(axes, filled=True) == [(0.13, 1 / 6), (0.135, 2 / 6), (0.14, 3 / 6), (0.15, 5 / 6)]
    assert marks(axes, filled=False) == [(0.145, 4 / 6)]


def test_bound_and_networks_are_where_they_are():
    found = verticals(relu_figure([RUNS], bound=BOUND, networks=NETWORKS).axes[0])
    assert found == {"linear DNC bound 0.14706": BOUND, "relu-T5 0.13998": 0.13998, "relu-pairs 0.14905": 0.14905}
    assert verticals(relu_figure([RUNS], bound=None, networks={}).axes[0]) == {}


def test_the_note_counts_every_run():
    figure = relu_figure([RUNS, FAR], bound=BOUND, networks=NETWORKS, remarks=["Plan half done."])
    assert figure.get_supxlabel().replace("\n", " ") == (
        "16 runs: 14 decided, 1 undecided (open marks), 1 diverged. 1 beyond the axis, up to 2.3. Plan half done."
    )
    assert figure.axes[0].get_xlim()[1] < 1.0


def test_the_axis_holds_most_runs():
    high = ReluRuns(
        label="", losses=np.full(4, 2.3), undecided_losses=np.zeros(0), ends=Ends(collapsed=0, ranks={0: 4})
    )
    assert relu_figure([high], bound=BOUND, networks={}).axes[0].get_xlim()[1] > 2.3


@pytest.mark.parametrize("runs", [[RUNS], [RUNS, FAR]])
def test_nothing_overlaps_or_is_cut_off(runs):
    figure = relu_figure(runs, bound=BOUND, networks=NETWORKS)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_no_end_is_an_error():
    lost = ReluRuns(
        label="", losses=np.zeros(0), undecided_losses=np.zeros(0), ends=Ends(collapsed=0, ranks={}, diverged=2)
    )
    for runs in ([], [lost]):
        with pytest.raises(InvalidInputError, match="runs: expected at least one that has a loss, but found none"):
            relu_figure(runs, bound=BOUND, networks={})
