import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory.imbalance import imbalance, least_penalties, penalty_depth, step_samples
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import circle, paired_trial, simplex
from theory.oracle import dense_loss, least_along


@pytest.mark.parametrize(
    ("classes", "layers", "ratio", "share", "decay"),
    [(4, 4, 5, 0.5, 2.0**-10), (5, 3, 10, 0.2, 2.0**-12), (7, 2, 2, 0.6, 2.0**-8), (6, 1, 8, 0.5, 2.0**-9)],
)
def test_losses_against_dense_minimisation(classes, layers, ratio, share, decay):
    samples = step_samples(classes, 1, ratio=ratio, share=share)
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=decay)
    certificate = imbalance(problem)
    assert certificate.applies
    dnc = least_along(simplex(problem).matrix((1.0,)), problem)
    rivals = [least_along(make(problem).matrix((1.0,)), problem) for make in (paired_trial, circle)]
    assert certificate.numbers["collapse_loss"] == pytest.approx(dnc, rel=1e-8)
    assert certificate.numbers["competitor_loss"] <= min(rivals) + 1e-10
    assert certificate.holds is (True if certificate.numbers["competitor_loss"] < dnc else None)
    assert certificate.check().agrees


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
        assert min(penalties, key=penalties.__getitem__) != "simplex"
        assert imbalance(problem).holds is True
    shallow = least_penalties(Problem(classes=classes, layers=depth - 1, samples=samples))
    assert min(shallow, key=shallow.__getitem__) == "simplex"


def test_penalties_from_the_definition():
    problem = Problem(classes=4, layers=3, samples=(9, 9, 1, 1))
    matrix = (np.eye(4) - 0.25) @ np.diag([3.0, 3.0, 1.0, 1.0])
    values = np.linalg.svd(matrix, compute_uv=False)
    assert least_penalties(problem)["simplex"] == pytest.approx((values[:3] ** 0.5).sum())
    assert least_penalties(problem)["paired"] == pytest.approx(np.sqrt(2 * 3) + np.sqrt(2 * 1))


def test_balanced_limit_of_the_losses():
    """With a ratio of 1 the pattern's loss is that of the balanced problem."""
    balanced = Problem(classes=4, layers=2, samples=3)
    assert step_samples(4, 3, ratio=1, share=0.5) == (3, 3, 3, 3)
    matrix = simplex(balanced).matrix((2.0,))
    assert dense_loss(matrix, balanced) == dense_loss(matrix, balanced.replace(samples=(3, 3, 3, 3)))


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
