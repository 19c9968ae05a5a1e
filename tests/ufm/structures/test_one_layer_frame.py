import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from deepcollapse.errors import UndefinedError
from deepcollapse.ufm import (
    Problem,
    collapse,
    logits_objective,
    minority_collapse_decay,
    one_layer_minimum,
    structure,
    structures,
)

STEP_4, STEP_10 = (10, 10, 2, 2), (10,) * 5 + (2,) * 5


@pytest.mark.parametrize(
    ("samples", "exponent", "losses", "rank"),
    [
        (STEP_4, -10, (0.0303900, 0.0306518, 0.0307736), 3),
        (STEP_4, -8, (0.1059870, 0.1062487, 0.1076833), 3),
        ((100,) * 5 + (1,) * 5, -8, (0.4418068, 0.4598336, 0.5087510), 5),
        (STEP_10, -10, (0.0898068, 0.0808323, 0.0911180), 9),
    ],
)
def test_values_found_independently(samples, exponent, losses, rank):
    """Losses along the frame, pairs and alpha S from a separate computation, printed to seven digits."""
    problem = Problem(classes=len(samples), layers=2, samples=samples, decay=2.0**exponent)
    found = [structure(name, problem) for name in ("dnc", "paired", "seli")]
    assert [point.loss for point in found] == pytest.approx(losses, abs=1e-7)
    assert (found[0].name, found[0].rank, found[0].critical) == ("one-layer-frame", rank, False)


def test_minority_collapse_ends_below_its_decay():
    problem = Problem(classes=10, layers=2, samples=(100,) * 5 + (1,) * 5, decay=2.0**-10)
    assert structure("dnc", problem).rank == 9
    assert minority_collapse_decay(problem, samples=1) == pytest.approx(1 / 505)


@pytest.mark.parametrize(("exponent", "cosine"), [(-8, 0.9923), (-10, 0.9949), (-14, 0.9970), (-20, 0.9983)])
def test_the_frame_approaches_seli_as_the_decay_falls(exponent, cosine):
    problem = Problem(classes=10, layers=2, samples=STEP_10, decay=2.0**exponent)
    roots = np.sqrt(problem.class_samples)
    frame, seli = one_layer_minimum(problem).logits * roots, structure("seli", problem).logits * roots
    assert (frame * seli).sum() / np.linalg.norm(frame) / np.linalg.norm(seli) == pytest.approx(cosine, abs=5.1e-5)


@settings(deadline=None, max_examples=12)
@given(
    samples=st.lists(st.sampled_from([1, 2, 5, 40]), min_size=2, max_size=6).filter(lambda s: len(set(s)) > 1),
    layers=st.integers(1, 4),
    exponent=st.integers(-16, -5),
    loss=st.sampled_from(["ce", "mse"]),
)
def test_it_is_the_frame_at_its_best_scale(samples, layers, exponent, loss):
    """Loss, rank and values from the K x K matrix; no other scale, found by bracketing, costs less."""
    problem = Problem(classes=len(samples), layers=layers, samples=tuple(samples), decay=2.0**exponent, loss=loss)
    try:
        found = collapse(problem)
    except UndefinedError:
        return
    assert logits_objective(found.logits, problem) == pytest.approx(found.loss, rel=1e-9)
    values = np.linalg.svd(found.logits * np.sqrt(samples), compute_uv=False)
    assert values[: found.rank] == pytest.approx(found.singular_values, rel=1e-8)
    assert found.rank == np.linalg.matrix_rank(found.logits, rtol=1e-10)
    near = minimize_scalar(lambda t: logits_objective(t * found.logits, problem), bounds=(0.5, 2.0), method="bounded")
    assert near.fun >= found.loss * (1 - 1e-9)
    if layers == 1:
        assert (found.critical, found.scales[0]) == (True, pytest.approx(1, abs=1e-9))


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_equal_sizes_and_names(loss):
    """Asked for by any of its names, the point comes back under that of what it is."""
    problem = Problem(classes=5, layers=2, samples=(3,) * 5, loss=loss)
    collapsed = "simplex" if loss == "ce" else "orthogonal-frame"
    assert {structure(name, problem).name for name in ("dnc", "one-layer-frame")} == {collapsed}
    assert structure("seli", problem).name == "simplex"
    assert structure("dnc", problem).loss == structure("dnc", problem.replace(samples=3)).loss
    unequal = problem.replace(samples=(3, 3, 3, 1, 1))
    assert {structure(name, unequal).name for name in ("dnc", "one-layer-frame")} == {"one-layer-frame"}
    assert structure("simplex", unequal).name == structure("seli", unequal).name == "seli"
    names = [known.name for known in structures(unequal)]
    assert names.count("one-layer-frame") == names.count("seli") == 1
    assert "simplex" not in names


@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_the_remedy_for_a_large_decay_works(layers, loss):
    problem = Problem(classes=4, layers=layers, samples=STEP_4, decay=1.0, loss=loss)
    with pytest.raises(
        UndefinedError, match="one-layer-frame: expected a decay at which it exists, but found 1 "
    ) as caught:
        collapse(problem)
    advised = float(str(caught.value).rsplit("exists at ", 1)[1])
    assert collapse(problem.replace(decay=advised)).rank > 0
    with pytest.raises(UndefinedError):
        collapse(problem.replace(decay=2 * advised))
