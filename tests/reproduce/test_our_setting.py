"""What was run, in words, from the rows of runs."""

import pytest

from deepcollapse.reproduce import CLAIMS
from deepcollapse.reproduce.our_setting import our_setting
from reproduce.synthetic import evidence, many, networks, part

MODEL = {"activation": "linear", "layers": 2, "width": 70, "classes": 10, "samples": 5, "decay": 2.0**-10}


def setting(id, *parts):
    return our_setting(CLAIMS[id], evidence(*parts))


def test_of_gradient_descent():
    rows = [*many(1, 16, init_scale=1.0), *many(1, 16, init_scale=1.5)]
    audit = part("E2-audit", many(1, 2, width=30, accelerate=None))
    assert setting("E1", part("E1", rows), audit) == (
        "linear UFM, L = 2, d = 70, K = 10, n = 5, decay 2^-10, learning rate 0.5, initial scale 1 or 1.5, 16 seeds a "
        "point, accelerated"
    )
    full = part("E3", [row for k in range(5, 11) for row in many(1, 8, decay=2.0**-k, accelerate=None)])
    assert setting("E3", full).endswith("decay 2^-10 to 2^-5, learning rate 0.5, initial scale 1, 8 seeds a point")


def test_of_theory_and_searches():
    theory = part("T1", [{"kind": "theory", **MODEL, "classes": k} for k in (4, 10)])
    search = part("T1-search", [{"kind": "landscape", **MODEL, "restarts": 20, "decay": 0.0117}])
    control = part("T1-control", [{"kind": "theory", **MODEL, "layers": 1}])
    assert setting("T1", theory, control, search) == (
        "linear UFM, L = 2, d = 70, K = 4 or 10, n = 5, decay 2^-10; "
        "linear UFM, L = 2, d = 70, K = 10, n = 5, decay 0.0117, 20 restarts of a search"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "linear head L = 3, d = 64, {decays}, learning rate 0.05, batch 10,000"),
        ({"batch": None, "activation": "relu"}, "ReLU head L = 3, d = 64, {decays}, learning rate 0.05, full batch"),
        (
            {"decay_features": None, "decay_weights": 0.01},
            "linear head L = 3, d = 64, decay 0.01 on all parameters, learning rate 0.05, batch 10,000",
        ),
    ],
)
def test_of_networks(changes, text):
    found = setting("E4", part("E4-mnist-resnet", networks(3, **changes)))
    wanted = text.format(decays="decays 0.005 (weights) and 1e-06 (features)")
    assert found == f"ResNet-20 on MNIST, 5,000 per class, {wanted}, 1,000 steps, 3 seeds"


def test_of_networks_beside_a_model():
    found = setting("E7", part("E7-ufm", many(1, 8, activation="relu")), part("E7-mnist", networks(1)))
    assert found.startswith("ReLU UFM, L = 2, d = 70, ")
    assert "; ResNet-20 on MNIST, 5,000 per class, " in found
    assert found.endswith("1,000 steps, 1 seed")


def test_of_nothing():
    assert setting("E4") == ""
