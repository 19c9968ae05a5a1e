"""The slowest direction at expected ends: against a dense Hessian, and against how fast descent really settles."""

import numpy as np
import pytest

from deepcollapse.curvature import dense_hessian, settling_rate
from deepcollapse.ufm import Problem, balanced_factors, collapse, gradient, structure


@pytest.mark.parametrize(
    ("sizes", "share"),
    [
        ({"classes": 10, "layers": 2, "decay": 2.0**-7}, 0.6114),
        ({"classes": 10, "layers": 2, "decay": 2.0**-7, "samples": 5}, 0.4285),
        ({"classes": 10, "layers": 3, "decay": 0.0135}, 0.02410),
        ({"classes": 5, "layers": 4, "decay": 2.0**-7}, 0.5576),
        ({"classes": 10, "layers": 2, "decay": 2.0**-10}, 1.0),
    ],
)
def test_reference_values(sizes, share):
    problem = Problem(**sizes)
    assert settling_rate(problem) == pytest.approx(share * problem.decay, abs=5e-5 * problem.decay)


@pytest.mark.parametrize(("classes", "layers", "samples", "extra"), [(4, 2, 1, 0), (4, 2, 2, 1), (3, 3, 1, 2)])
def test_least_positive_eigenvalue_of_the_dense_hessians(classes, layers, samples, extra):
    problem = Problem(classes=classes, layers=layers, samples=samples, width=classes + extra, decay=2.0**-5)
    least = [problem.decay]
    for name in ("dnc", "paired"):
        factors = balanced_factors(structure(name, problem).logits, problem, np.random.default_rng(0))
        values = np.linalg.eigvalsh(dense_hessian(factors, problem)) / problem.decay
        if name == "dnc" or classes >= 4:
            least += [problem.decay * values[values > 1e-6][0]] if values[0] > -1e-6 else []
    assert settling_rate(problem) == pytest.approx(min(least), rel=1e-6)


def test_the_gradient_shrinks_at_this_rate():
    problem = Problem(classes=4, layers=2, decay=0.02)
    lr, rate = 0.5, settling_rate(problem)
    factors = balanced_factors(collapse(problem).logits, problem, np.random.default_rng(0))
    generator, norms = np.random.default_rng(1), []
    factors = tuple(a + 1e-3 * generator.standard_normal(a.shape) for a in factors)
    for step in range(2001):
        slopes = gradient(factors, problem)
        norms += [np.sqrt(sum(np.square(g).sum() for g in slopes))] if step in (1200, 2000) else []
        factors = tuple(a - lr * g for a, g in zip(factors, slopes, strict=True))
    assert norms[1] / norms[0] == pytest.approx((1 - lr * rate) ** 800, rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "relu"},
        {"decay": 0.9},
        {"decay": (0.3, 0.2, 0.1), "loss": "mse"},
        {"classes": 3, "loss": "mse"},
        {"classes": 5, "loss": "mse", "activation": "relu"},
        {"width": 1},
        {"samples": (1, 2, 3, 4)},
        {"classes": 600, "decay": 2.0**-12},
    ],
)
def test_where_nothing_softer_is_known_it_is_the_least_decay(changes):
    problem = Problem(**({"classes": 4, "layers": 2, "decay": 0.004} | changes))
    assert settling_rate(problem) == min(problem.factor_decays)
