"""First order at kinks against its definition: the least one-sided derivative over every sign pattern."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from deepcollapse.polishing import Bent, first_order

TOLERANCE = 1e-7


def bent(gradient: list, normals: list, slopes: list, passed: list | None = None) -> Bent:
    k = len(slopes)
    return Bent(
        gradient=np.array(gradient, dtype=float),
        normals=np.array(normals, dtype=float).reshape(k, len(gradient)),
        slopes=np.array(slopes, dtype=float),
        passed=np.zeros((k, k)) if passed is None else np.array(passed, dtype=float),
    )


def one_sided_derivative(function: Bent, direction: np.ndarray) -> float:
    """(F(h v) - F(0)) / h of the model function itself, which is positively homogeneous: h = 1."""
    active = np.zeros(function.slopes.size)
    for j in range(active.size):
        value = sum(function.normals[j, i] * direction[i] for i in range(direction.size))
        value += sum(function.passed[j, i] * active[i] for i in range(j))
        active[j] = value if value > 0 else 0.0
    return float(np.dot(function.gradient, direction) + np.dot(function.slopes, active))


def least_derivative(function: Bent) -> float:
    """min F'(0; v) over ||v||_inf <= 1: F' is linear where no y_j changes its sign."""
    size, count = function.gradient.size, function.slopes.size
    least = 0.0
    for signs in product((0.0, 1.0), repeat=count):
        values = []  # each y_j as a row in v, given the signs
        for j in range(count):
            values.append(function.normals[j] + sum(signs[i] * function.passed[j, i] * values[i] for i in range(j)))
        cost = function.gradient + sum(
            (signs[j] * function.slopes[j] * values[j] for j in range(count)), np.zeros(size)
        )
        rows = [(1.0 - 2.0 * sign) * value for sign, value in zip(signs, values, strict=True)]
        found = linprog(cost, A_ub=np.array(rows).reshape(count, size), b_ub=np.zeros(count), bounds=(-1, 1))
        least = min(least, found.fun)
    return least


def drawn(seed: int) -> Bent:
    """Small whole numbers, so that borders, dependence, zero normals and stationary points all occur."""
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(1, 5)), int(rng.integers(0, 5))
    normals = rng.integers(-1, 2, (count, size)).astype(float)
    passed = np.tril(rng.integers(-1, 2, (count, count)), -1) * (rng.random() < 0.5)
    slopes = rng.integers(-1, 4, count).astype(float)
    near = rng.random(count) * np.maximum(slopes, 0.0)
    gradient = -(near @ normals) if rng.random() < 0.8 else rng.integers(-1, 2, size).astype(float)
    return Bent(gradient=gradient, normals=normals, slopes=slopes, passed=passed.astype(float))


def test_it_agrees_with_the_definition_on_every_sign_pattern():
    kinds: dict[tuple[str, bool], int] = {}
    for seed in range(70):
        function = drawn(seed)
        found, least = first_order(function, tolerance=TOLERANCE), least_derivative(function)
        kinds[found.kind, found.independent] = kinds.get((found.kind, found.independent), 0) + 1
        if found.kind == "stationary":
            assert least >= -1e-6
            assert found.multipliers is not None
            total = function.total_slopes(found.multipliers.values)
            np.testing.assert_allclose(function.gradient, -found.multipliers.values @ function.normals, atol=1e-6)
            assert (found.multipliers.values >= -1e-6).all()
            assert (found.multipliers.values <= total + 1e-6).all()
        if found.kind == "not stationary":
            assert least < -TOLERANCE
            assert found.direction is not None
            assert one_sided_derivative(function, found.direction) == pytest.approx(found.rate, abs=1e-12)
            assert found.rate < -TOLERANCE
    assert ("undecided", True) not in kinds  # with independent derivatives the test is an equivalence
    assert min(kinds["stationary", True], kinds["not stationary", True]) > 4
    assert min(kinds["stationary", False], kinds["not stationary", False]) > 4


def test_convex_functions_are_always_decided():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        normals = rng.integers(-1, 2, (4, 2)).astype(float)
        slopes = rng.integers(0, 4, 4).astype(float)
        gradient = -(rng.uniform(-0.3, 1.0, 4) * slopes) @ normals
        function = bent(gradient.tolist(), normals.tolist(), slopes.tolist())
        assert (first_order(function, tolerance=TOLERANCE).kind == "stationary") == (least_derivative(function) > -1e-6)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        # 0 is a generalised gradient (share 1/2 of the slope), but F = -|x| / 2
        pytest.param(bent([0.5], [[1]], [-1]), "not stationary", id="negative slope"),
        pytest.param(bent([-0.5], [[1]], [1]), "stationary", id="inside"),
        pytest.param(bent([0], [[1]], [1]), "stationary", id="multiplier 0"),
        pytest.param(bent([-1], [[1]], [1]), "stationary", id="multiplier equals the slope"),
        pytest.param(bent([-1.1], [[1]], [1]), "not stationary", id="above the slope"),
        pytest.param(bent([0.1], [[1]], [1]), "not stationary", id="below 0"),
        pytest.param(bent([-0.5, 0.1], [[1, 0]], [1]), "not stationary", id="gradient along the kink"),
        # -2 relu(x) + 3 relu(x): multipliers of dependent derivatives are not bounded by their own slopes
        pytest.param(bent([-0.5], [[1], [1]], [-2, 3]), "undecided", id="dependent, one slope negative, convex sum"),
        pytest.param(bent([-1.5], [[1], [1]], [1, 1]), "stationary", id="dependent, shared"),
        pytest.param(bent([-2.5], [[1], [1]], [1, 1]), "not stationary", id="dependent, beyond both"),
        pytest.param(bent([0, 0], [[1, 0], [0, 1], [-1, -1]], [0, 0, 1]), "stationary", id="dependent, slopes 0"),
        # relu(y2 - 2 relu(y1)), y2 held at multiplier 1/2: relu(y1) is worth 1 - 2 * 1/2 = 0, not 1
        pytest.param(bent([0, -0.5], [[1, 0], [0, 1]], [1, 1], [[0, 0], [-2, 0]]), "stationary", id="two layers"),
        pytest.param(
            bent([0, -0.5], [[1, 0], [0, 1]], [0.9, 1], [[0, 0], [-2, 0]]), "not stationary", id="two layers, slope < 0"
        ),
        pytest.param(bent([0, 0], [], []), "stationary", id="no kinks"),
        pytest.param(bent([0, 1], [], []), "not stationary", id="no kinks, a gradient"),
    ],
)
def test_planted(function: Bent, kind: str):
    found = first_order(function, tolerance=TOLERANCE)
    assert found.kind == kind
    assert (least_derivative(function) > -TOLERANCE) == (kind != "not stationary")


def test_borders_are_named():
    found = first_order(bent([0, -2, -0.5, 0], np.eye(4).tolist(), [1, 2, 1, 0]), tolerance=TOLERANCE).multipliers
    assert found is not None
    assert found.at_zero.tolist() == [True, False, False, True]
    assert found.at_slope.tolist() == [False, True, False, True]
    np.testing.assert_allclose(found.values, [0, 2, 0.5, 0], atol=1e-12)


def test_units_of_the_inputs_do_not_matter():
    function = bent([-0.5, 0], [[1, 0], [0, 1]], [1, 1], [[0, 0], [-2, 0]])
    scale = np.array([1e-4, 1e5])
    scaled = Bent(
        gradient=function.gradient,
        normals=function.normals * scale[:, None],
        slopes=function.slopes / scale,
        passed=function.passed * scale[:, None] / scale,
    )
    plain, other = (first_order(f, tolerance=TOLERANCE) for f in (function, scaled))
    assert plain.multipliers is not None
    assert other.multipliers is not None
    np.testing.assert_allclose(other.multipliers.values * scale, plain.multipliers.values, atol=1e-12)
    assert plain.kind == other.kind == "stationary"
