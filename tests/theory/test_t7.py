import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.theory.t7 import inequality_sides, pairs_sides, t7
from deepcollapse.ufm import Problem


def relu(classes: int, layers: int, **settings: object) -> Problem:
    return Problem(classes=classes, layers=layers, activation="relu", **settings)


@pytest.mark.parametrize("classes", range(10, 60))
@pytest.mark.parametrize("layers", [4, 5, 6, 9])
def test_the_inequality_holds_in_the_paper_s_range(classes, layers):
    left, right = inequality_sides(relu(classes, layers))
    if layers >= 5 or classes >= 16:
        assert left < right


def test_the_inequality_fails_just_outside():
    for classes, layers in ((9, 5), (15, 4), (12, 4), (200, 2)):
        left, right = inequality_sides(relu(classes, layers))
        assert left > right


@given(st.integers(4, 300), st.integers(2, 12))
def test_the_pairs_network_proves_at_least_what_the_inequality_does(classes, layers):
    """(4 K^2 (1 - 1/r) r^(L-1))^(1/M) < K - 1, r = ceil(K/2) + 1, is the paper's inequality; 2 K^2 is less."""
    problem, r = relu(classes, layers), (classes + 1) // 2 + 1
    left, right = inequality_sides(problem)
    rearranged = (4 * classes**2 * (1 - 1 / r) * float(r) ** (layers - 1)) ** (1 / (layers + 1))
    assert (left < right) == (rearranged < classes - 1)
    below, above = pairs_sides(problem)
    assert (below, above) == (
        pytest.approx((2 * classes**2 * float(r) ** (layers - 1)) ** (1 / (layers + 1))),
        classes - 1,
    )
    assert below <= rearranged * (1 + 1e-12)


@pytest.mark.parametrize(
    ("classes", "layers", "below"),
    [(10, 3, ["relu-T5"]), (15, 2, []), (21, 2, ["relu-T7"]), (28, 2, ["relu-T8"]), (16, 4, ["relu-pairs"])],
)
def test_networks_below_the_linear_bound(classes, layers, below):
    certificate = t7(relu(classes, layers))
    assert certificate.numbers["below"] == below
    assert certificate.holds is (True if below else None)
    assert certificate.applies == ((classes, layers) == (16, 4))


def test_reference_losses_at_ten_classes_three_layers():
    numbers = t7(relu(10, 3)).numbers
    assert numbers["linear_collapse_loss"] == pytest.approx(0.0527314, abs=5e-8)
    assert numbers["networks"]["relu-T5"] == pytest.approx(0.0503850, abs=5e-8)


def test_a_network_wider_than_the_model_proves_nothing():
    """K = 15 needs width 16 for its pairs."""
    narrow, wide = t7(relu(15, 4)), t7(relu(15, 4, width=16))
    assert not narrow.numbers["pairs_inequality"]["certifies"]
    assert wide.numbers["pairs_inequality"]["certifies"]
    assert "relu-pairs" not in narrow.numbers["networks"]
    assert "relu-pairs" in wide.numbers["networks"]


def test_no_linear_collapse_no_relu_collapse():
    certificate = t7(relu(10, 5, decay=0.5))
    assert certificate.holds is True
    assert certificate.check().numbers == {"inequality": True, "pairs_inequality": True}
    assert certificate.check().agrees
    assert certificate.numbers["networks"] == {}
    assert certificate.notes[1:] == ("there is no linear DNC point at this decay and width",)


def test_linear_problems_are_not_its_subject():
    certificate = t7(Problem(classes=12, layers=6))
    assert (certificate.applies, certificate.holds) == (False, None)
    assert not certificate.hypotheses["relu activation"]


def test_deep_networks_do_not_overflow():
    left, right = pairs_sides(relu(1000, 400))
    assert math.isfinite(left)
    assert left < right


def test_without_a_proof_or_a_network_the_verdict_is_open():
    certificate = t7(relu(10, 2, decay=0.2))
    assert certificate.numbers["networks"] == {}
    assert certificate.numbers["below"] == []
    assert certificate.holds is None
    assert (certificate.check().agrees, certificate.check().numbers) == (None, {})


@pytest.mark.parametrize("holds", [True, False])
def test_the_check_finds_a_wrong_verdict(holds):
    assert replace(t7(relu(10, 3)), holds=holds).check().agrees is holds
