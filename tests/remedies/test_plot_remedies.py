"""Advice about figures works when it is followed."""

from types import SimpleNamespace

import numpy as np

from deepcollapse.plot import (
    depth_figure,
    logits_figure,
    losses_figure,
    singular_values_figure,
    spectrum_figure,
    trajectory_figure,
)
from remedies.refusal import Refusal, cases

NAN = np.full((3, 3), np.nan)
STEPS = np.arange(1, 4)
FALLING = np.array([3.0, 2.0, 1.0])
DIVERGED = np.array([3.0, 2.0, np.inf])


def eigenvalues(values, counts):
    return SimpleNamespace(eigenvalues=np.array(values), multiplicities=np.array(counts), decay=0.1)


def drawn(figure, *given, **options):
    return lambda: figure(*given, **options)


def trajectory(steps, losses):
    return drawn(trajectory_figure, steps, losses, np.ones((len(steps), 2)), bound=None)


FIGURES = [
    Refusal("panels: expected at least one", "give", drawn(logits_figure, []), drawn(logits_figure, [np.eye(3)])),
    Refusal(
        "panels: expected finite", "remove", drawn(logits_figure, [NAN, np.eye(3)]), drawn(logits_figure, [np.eye(3)])
    ),
    Refusal(
        "titles: expected 1",
        "drop some",
        drawn(logits_figure, [np.eye(3)], ["a", "b"]),
        drawn(logits_figure, [np.eye(3)], ["a"]),
    ),
    Refusal(
        "trajectory: expected at least one", "record", trajectory(STEPS[:0], FALLING[:0]), trajectory(STEPS, FALLING)
    ),
    Refusal(
        "trajectory: expected finite", "cut the run", trajectory(STEPS, DIVERGED), trajectory(STEPS[:2], DIVERGED[:2])
    ),
    Refusal(
        "depth: expected at least one",
        "measure some",
        drawn(depth_figure, [], {}),
        drawn(depth_figure, ["a"], {"x": FALLING[:1]}),
    ),
    Refusal(
        "depth: expected 3 values",
        "use NaN",
        drawn(depth_figure, ["a", "b", "c"], {"x": FALLING[:2]}),
        drawn(depth_figure, ["a", "b", "c"], {"x": np.array([3.0, 2.0, np.nan])}),
    ),
    Refusal(
        "spectra: expected at least one",
        "give name",
        drawn(singular_values_figure, {}),
        drawn(singular_values_figure, {"a": FALLING}),
    ),
    Refusal(
        "spectra: expected finite",
        "decomposition",
        drawn(singular_values_figure, {"a": -FALLING}),
        drawn(singular_values_figure, {"a": np.linalg.svd(np.eye(3), compute_uv=False)}),
    ),
    Refusal(
        "spectra: expected at least one",
        "give name: spectrum",
        drawn(spectrum_figure, {}),
        drawn(spectrum_figure, {"a": eigenvalues([1.0, 2.0], [1, 3])}),
    ),
    Refusal(
        "spectra: expected as many",
        "distinct eigenvalues",
        drawn(spectrum_figure, {"a": eigenvalues([1.0, 2.0], [1])}),
        drawn(spectrum_figure, {"a": eigenvalues([1.0, 2.0], [1, 3])}),
    ),
    Refusal(
        "levels: expected at least one",
        "give name: loss",
        drawn(losses_figure, {}, bound=None),
        drawn(losses_figure, {"a": 1.0}, bound=None),
    ),
    Refusal(
        "losses: expected finite",
        "diverged runs",
        drawn(losses_figure, {"a": 1.0}, DIVERGED, bound=None),
        drawn(losses_figure, {"a": 1.0}, DIVERGED[:2], bound=None),
    ),
]


@cases(FIGURES)
def test_figures(refusal: Refusal):
    refusal.check()
