import dataclasses

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import NetworkRun, NetworkRuns, networks_figure, standard_decay_figure
from plot.drawn import cut_off, drawn_texts, overlapping

STEPS = np.arange(0, 2001, 100)
VALUES = np.column_stack(
    [
        np.full(21, 20.0),
        np.full(21, 18.0),
        np.full(21, 15.0),
        *(10.0 ** -(k + 0.5 * np.arange(21)) for k in range(1, 8)),
    ]
)


def run(seed=0, *, converged=True, rank=3):
    logits = 10.0 * np.eye(10) + np.arange(10)[:, None] / 5
    objective = 2.3 * np.exp(-STEPS / 300) + 0.2 + 0.01 * seed
    return NetworkRun(
        seed=seed,
        converged=converged,
        steps=STEPS,
        objective=objective,
        singular_values=VALUES,
        logits=logits,
        rank=rank,
        rank_paper=rank + 1,
    )


def runs(name="MNIST, MLP", seeds=1, **changes):
    settings = {"bound": 0.2422, "best": 0.1845} | changes
    return NetworkRuns(name=name, runs=[run(seed, converged=seed == 0) for seed in range(seeds)], **settings)


def level(axes, label):
    return [line.get_ydata()[0] for line in axes.lines if line.get_label() == label]


def test_objectives_bound_and_best_structure_are_those_given():
    upper = networks_figure([runs(seeds=3)]).axes[0]
    drawn = [line for line in upper.lines if len(line.get_xdata()) == 21]
    assert len(drawn) == 3
    first = next(line for line in drawn if line.get_label() == "objective")
    np.testing.assert_array_equal(first.get_xydata(), np.column_stack([STEPS, run().objective]))
    assert level(upper, "DNC bound") == [0.2422]
    assert level(upper, "best point known") == [0.1845]


def test_singular_values_tell_those_that_stay():
    lower = networks_figure([runs()]).axes[1]
    drawn = [line for line in lower.lines if len(line.get_xdata()) == 21]
    np.testing.assert_array_equal(np.array([line.get_ydata() for line in drawn]).T, np.sort(VALUES)[:, ::-1])
    assert [line.get_linestyle() for line in drawn] == ["-"] * 3 + ["--"] * 7
    assert 1e-6 in [line.get_ydata()[0] for line in lower.lines]


def test_the_note_counts_runs_that_did_not_converge():
    found = networks_figure([runs(seeds=3), runs()], remarks=["1 more."]).get_supxlabel()
    assert found == "4 runs: 2 converged, 2 still moved at the horizon. 1 more."


def test_seeds_and_ranks_are_named():
    texts = [text for text, _ in drawn_texts(networks_figure([runs(seeds=2), runs()]))]
    assert "seed 0: rank 3; 2 seeds: 3" in texts
    assert "seed 0: rank 3; 4 above 10⁻⁶" in texts


def test_without_a_bound_none_is_drawn():
    figure = networks_figure([runs(bound=None, best=None)])
    assert level(figure.axes[0], "DNC bound") == []
    assert "no DNC bound" in [text for text, _ in drawn_texts(figure)]
    assert "DNC 0.2422, an estimate; best 0.1845" in [
        text for text, _ in drawn_texts(networks_figure([runs(exact=False)]))
    ]


def test_logits_stand_beside_a_simplex_of_their_norm():
    logits, simplex = (axes.images[0].get_array() for axes in standard_decay_figure([runs()]).axes[1:3])
    np.testing.assert_allclose(logits.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(logits), np.linalg.norm(simplex))
    assert np.linalg.matrix_rank(simplex) == 9
    np.testing.assert_allclose(simplex[0, 1], -simplex[0, 0] / 9)


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_overlaps_or_is_cut_off(count):
    figure = networks_figure([runs("CIFAR-10, ResNet-20", seeds=2)] * count)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


@pytest.mark.parametrize("count", [1, 2])
def test_logits_under_standard_decay_fit(count):
    figure = standard_decay_figure([runs("CIFAR-10, ResNet-20")] * count)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_refuses_what_cannot_be_drawn():
    with pytest.raises(InvalidInputError, match="columns: expected one to 3 settings, but found 0"):
        networks_figure([])
    with pytest.raises(InvalidInputError, match="columns: expected one to 3 settings, but found 5"):
        networks_figure([runs()] * 5)
    with pytest.raises(InvalidInputError, match="rows: expected one to three settings, but found 4"):
        standard_decay_figure([runs()] * 4)
    bare = NetworkRuns(name="bare", runs=[dataclasses.replace(run(), logits=None)], bound=None)
    with pytest.raises(InvalidInputError, match="bare: expected logits of the first run, but found none"):
        standard_decay_figure([bare])
    with pytest.raises(InvalidInputError, match="none: expected runs with looks at them, but found none"):
        NetworkRuns(name="none", runs=[], bound=None)
    with pytest.raises(InvalidInputError, match="finite objectives > 0, but found one that is not in seed 0"):
        NetworkRuns(name="x", runs=[dataclasses.replace(run(), objective=STEPS * np.nan)], bound=None)
