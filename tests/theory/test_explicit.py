from dataclasses import replace

import numpy as np
import pytest

from deepcollapse.theory import explicit
from deepcollapse.theory.explicit import confirmed, network_loss
from deepcollapse.ufm import Problem, forward, given, logits_objective, structure
from theory.oracle import dense_loss


@pytest.mark.parametrize("name", ["simplex", "paired", "circle"])
@pytest.mark.parametrize("width", [7, 12])
def test_points_of_the_theory_are_confirmed(name, width):
    problem = Problem(classes=7, layers=3, samples=2, width=width, decay=(2.0**-9, 2.0**-10, 2.0**-11, 2.0**-10))
    point = structure(name, problem)
    fine, loss = confirmed(point, problem)
    assert fine
    assert loss == pytest.approx(dense_loss(point.logits, problem), rel=1e-12)


def test_a_point_wrongly_marked_critical_is_not_confirmed():
    """The best point of a ray that leaves its ray downhill: only stationarity can tell."""
    problem = Problem(classes=4, layers=2, samples=(9, 9, 1, 1))
    trial = given(np.eye(4) - 0.25, problem)
    assert not trial.critical
    assert confirmed(trial, problem)[0]
    assert not confirmed(replace(trial, critical=True), problem)[0]


@pytest.mark.parametrize(("layers", "width", "expected"), [(2, 11, 11), (2, 2000, 3)])
def test_networks_have_the_problem_s_own_width_and_random_frames(monkeypatch, layers, width, expected):
    problem = Problem(classes=4, layers=layers, width=width)
    logits, seen = structure("simplex", problem).logits, []

    def watched(factors, at):
        seen.append(factors)
        return 0.0

    loss = network_loss(logits, problem, rank=3)
    assert loss == pytest.approx(logits_objective(logits, problem), rel=1e-12)
    monkeypatch.setattr(explicit, "regularised_loss", watched)
    network_loss(logits, problem, rank=3)
    assert seen[0][0].shape == (expected, 4)
    assert np.count_nonzero(seen[0][0]) == expected * 4  # no coordinate axis is preferred
    assert forward(seen[0], problem.replace(width=expected)) == pytest.approx(logits, abs=1e-12)
