import importlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape import search
from deepcollapse.theory.imbalance import (
    DEEP,
    ONE_DECAY,
    SMALL,
    descended,
    imbalance,
    least_penalties,
    penalty_depth,
    step_samples,
)
from deepcollapse.theory.overview import points
from deepcollapse.ufm import Problem, one_layer_minimum, stationarity, structure
from deepcollapse.ufm.structures import circle, paired_trial, simplex
from theory.oracle import dense_loss, least_along

MODULE = importlib.import_module("deepcollapse.theory.imbalance")  # the package has a function of this name


@pytest.mark.parametrize(
    ("classes", "layers", "ratio", "share", "decay"),
    [(4, 4, 5, 0.5, 2.0**-10), (5, 3, 10, 0.2, 2.0**-12), (7, 2, 2, 0.6, 2.0**-8), (6, 1, 8, 0.5, 2.0**-9)],
)
def test_losses_against_dense_minimisation(classes, layers, ratio, share, decay):
    samples = step_samples(classes, 1, ratio=ratio, share=share)
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=decay)
    certificate = imbalance(problem)
    assert certificate.applies is (layers >= penalty_depth(problem))
    frame = least_along(one_layer_minimum(problem).logits, problem)
    rivals = [least_along(make(problem).matrix((1.0,)), problem) for make in (paired_trial, circle)]
    assert certificate.numbers["collapse_loss"] == pytest.approx(frame, rel=1e-8)
    assert certificate.numbers["competitor_loss"] <= min(rivals) + 1e-10
    lower = certificate.numbers["competitor_loss"] < frame
    assert certificate.holds is (False if layers == 1 else True if lower else None)
    assert certificate.check().agrees


@pytest.mark.parametrize(
    ("samples", "exponent", "frame", "rank", "competitor"),
    [
        ((10, 10, 2, 2), -10, 0.0303900, 3, 0.0302957),
        ((10, 10, 2, 2), -8, 0.1059870, 3, 0.1046545),
        ((100,) * 5 + (1,) * 5, -8, 0.4418068, 5, 0.4598336),
        ((10,) * 5 + (2,) * 5, -10, 0.0898068, 9, 0.0808323),
    ],
)
def test_values_found_independently(samples, exponent, frame, rank, competitor):
    """The paper's object, not alpha S; the competitor costs at most what the best pattern or search known does."""
    found = imbalance(Problem(classes=len(samples), layers=2, samples=samples, decay=2.0**exponent))
    assert found.numbers["collapse_loss"] == pytest.approx(frame, abs=1e-7)
    assert found.numbers["collapse_rank"] == rank
    assert found.numbers["competitor_loss"] <= competitor + 1e-7
    assert found.numbers["one_layer_gap"] < 1e-12
    assert (found.holds, found.check().agrees) == (True, True)


def test_the_check_can_fail(monkeypatch):
    """A frame that is not the minimiser's, a verdict or loss against the numbers, and a wrong depth are all noticed."""
    problem = Problem(classes=4, layers=2, samples=(10, 10, 2, 2))
    found = imbalance(problem)
    assert found.check().agrees is True
    assert replace(found, holds=None).check().agrees is False
    changes = {"collapse_loss": structure("seli", problem).loss, "competitor_loss": 0.0306, "small_decay_depth": 2}
    for name, value in (*changes.items(), ("small_decay_depth", 4)):
        assert replace(found, numbers={**found.numbers, name: value}).check().agrees is False
    wrong = SimpleNamespace(logits=structure("seli", problem).logits)
    monkeypatch.setattr(MODULE, "one_layer_minimum", lambda _: wrong)
    assert found.check().agrees is False


@pytest.mark.parametrize("classes", [4, 5, 6, 9])
@pytest.mark.parametrize("ratio", [2, 10, 100])
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_from_some_depth_on_collapse_loses_at_small_decay(classes, ratio, share):
    """The statement itself: beyond the depth found, the loss at a small decay is lower for some rival."""
    samples = step_samples(classes, 1, ratio=ratio, share=share)
    depth = penalty_depth(Problem(classes=classes, layers=1, samples=samples))
    assert 2 <= depth <= 10
    for layers in (depth, depth + 3):
        problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**-40)
        penalties = least_penalties(problem)
        assert min(penalties, key=penalties.__getitem__) != "seli"
        assert imbalance(problem).holds is True
    shallow = least_penalties(Problem(classes=classes, layers=depth - 1, samples=samples))
    assert min(shallow, key=shallow.__getitem__) == "seli"


@pytest.mark.parametrize(
    ("samples", "layers", "decay"),
    [((10, 10, 2, 2), 2, 2.0**-10), ((10, 10, 2, 2), 1, 2.0**-8), ((5, 3, 2, 1), 3, 2.0**-9), ((4, 4, 1, 1), 2, 0.3)],
)
def test_a_search_finds_nothing_below_the_best_point(samples, layers, decay):
    problem = Problem(classes=4, layers=layers, samples=samples, decay=decay)
    listed = points(problem)
    found = search(problem, restarts=10, generator=np.random.default_rng(0)).minimum.loss
    assert listed[0].loss <= found * (1 + 1e-9)
    assert len({round(point.loss, 9) for point in listed if point.critical}) == sum(p.critical for p in listed)
    assert all(stationarity(point.logits, problem) < 1e-6 for point in descended(problem))


def test_patterns_too_large_to_descend_from_compete_as_they_are():
    certificate = imbalance(Problem(classes=60, layers=2, samples=step_samples(60, 1, ratio=5, share=0.5)))
    assert (certificate.numbers["competitor"], certificate.numbers["competitor_rank"]) == ("paired", 30)
    assert certificate.holds is True


def test_penalties_from_the_definition():
    problem = Problem(classes=4, layers=3, samples=(9, 9, 1, 1))
    matrix = (np.eye(4) - 0.25) @ np.diag([3.0, 3.0, 1.0, 1.0])
    values = np.linalg.svd(matrix, compute_uv=False)
    assert least_penalties(problem)["seli"] == pytest.approx((values[:3] ** 0.5).sum())
    assert least_penalties(problem)["paired"] == pytest.approx(np.sqrt(2 * 3) + np.sqrt(2 * 1))


def test_balanced_limit_of_the_losses():
    """With a ratio of 1 the pattern's loss is that of the balanced problem."""
    balanced = Problem(classes=4, layers=2, samples=3)
    assert step_samples(4, 3, ratio=1, share=0.5) == (3, 3, 3, 3)
    matrix = simplex(balanced).matrix((2.0,))
    assert dense_loss(matrix, balanced) == dense_loss(matrix, balanced.replace(samples=(3, 3, 3, 3)))


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"layers": 1}, [DEEP]),
        ({"layers": 2}, [DEEP]),
        ({"decay": 0.06}, [SMALL]),
        ({"decay": 0.6}, [SMALL]),
        ({"decay": (2.0**-10, 2.0**-9, 2.0**-10, 2.0**-10)}, [ONE_DECAY]),
    ],
)
def test_a_hypothesis_that_fails_is_named(changes, failed):
    """(10, 10, 2, 2): the minority coincides from decay sqrt(2) / 24 = .0589 on, and pairs win from three layers on."""
    certificate = imbalance(Problem(**{"classes": 4, "layers": 3, "samples": (10, 10, 2, 2)} | changes))
    assert [text for text, true in certificate.hypotheses.items() if not true] == failed
    assert certificate.holds is not False or not certificate.applies


def test_where_it_does_not_apply():
    for problem in (
        Problem(classes=4, layers=3),
        Problem(classes=3, layers=3, samples=(2, 1, 1)),
        Problem(classes=4, layers=3, samples=(1, 2, 3, 4)),
        Problem(classes=4, layers=3, samples=(2, 2, 1, 1), loss="mse"),
    ):
        certificate = imbalance(problem)
        assert (certificate.applies, certificate.holds) == (False, None)


def test_no_generalised_collapse_at_large_decay():
    certificate = imbalance(Problem(classes=5, layers=3, samples=(10, 10, 10, 10, 1), decay=0.4))
    assert certificate.numbers["collapse_loss"] is None
    assert certificate.holds is True


def test_refusals():
    with pytest.raises(InvalidInputError, match=r"share: expected a number in \[0, 1\], but found 1\.5; give"):
        step_samples(4, 1, ratio=2, share=1.5)
    with pytest.raises(
        InvalidInputError, match=r"ratio: expected a number >= 1 whose product with 3 is whole, but found 1\.5"
    ):
        step_samples(4, 3, ratio=1.5, share=0.5)
    assert step_samples(4, 2, ratio=1.5, share=0.25) == (3, 3, 3, 2)
