"""The proven lower bound: never above a point of the model, close to the minimum, and checked by another program."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.certificate_log import CertificateLog
from deepcollapse.theory.certified_minimum import Leaf, certified_minimum, first_box
from deepcollapse.theory.entropy_bound import EntropyBound
from deepcollapse.theory.known import known_points
from deepcollapse.theory.weight_box import WeightBox, laplacian, pairs
from deepcollapse.ufm import Problem, logits_objective

CHECKER = Path(__file__).parents[2] / "examples" / "check_certificate.py"


def ordered_form(logits: np.ndarray, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Centred logits, renumbered, and the weights of their form Q, whose diagonal falls."""
    power = 2 * (1 - 2 / (layers + 1))
    logits = logits - logits.mean(axis=0)
    left, values, _ = np.linalg.svd(logits)
    form = (left * values**power) @ left.T
    order = np.argsort(-np.diag(form))
    form = form[np.ix_(order, order)]
    return logits[np.ix_(order, order)], np.array([-form[pair] for pair in pairs(len(form))])


@given(st.integers(2, 5), st.integers(0, 2**32))
def test_forms_rise_with_their_weights(classes: int, seed: int):
    rng = np.random.default_rng(seed)
    low = rng.normal(size=len(pairs(classes)))
    high = low + rng.exponential(size=len(low))
    assert np.allclose(laplacian(low).sum(axis=0), 0.0, atol=1e-12)
    assert np.linalg.eigvalsh(laplacian(high) - laplacian(low))[0] > -1e-12
    box = WeightBox(low, high)
    axis = int(rng.integers(len(low)))
    below, above = box.halves(axis)
    assert box.cut(above.path).low[axis] == below.high[axis] == pytest.approx((low[axis] + high[axis]) / 2)


@settings(max_examples=60)
@given(
    st.integers(2, 4),
    st.integers(2, 5),
    st.integers(1, 3),
    st.floats(-12, -2),
    st.floats(-1, 3),
    st.floats(0.0, 1.0),
    st.integers(0, 2**32),
)
@example(2, 2, 1, -8.0, 1.0, 0.0, 0)
def test_no_point_is_below_the_bound_of_a_box_that_holds_its_form(
    classes: int, layers: int, samples: int, log_decay: float, size: float, width: float, seed: int
):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**log_decay)
    rng = np.random.default_rng(seed)
    logits = 2.0**size * (3 * np.eye(classes) + rng.normal(size=(classes, classes)))
    logits, weights = ordered_form(logits, layers)
    below, above = width * np.abs(weights).max() * rng.random((2, len(weights)))
    box = WeightBox(weights - below, weights + above)
    bounds = EntropyBound(classes, layers, problem.factor_decays, samples)
    found = bounds.bound(box)
    loss = logits_objective(logits, problem)
    assert found.value <= loss * (1 + 1e-6)
    proven = bounds.proven(box, found.wrong)
    assert proven <= loss
    assert proven == pytest.approx(found.value, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(
    ("classes", "layers", "decay", "gap"),
    [(2, 2, 2.0**-8, 0.01), (2, 4, 2.0**-8, 0.01), (3, 2, 2.0**-6, 0.2), (3, 3, 2.0**-8, 0.3), (3, 2, 0.5, 0.05)],
)
def test_the_gap_is_reached(classes: int, layers: int, decay: float, gap: float):
    problem = Problem(classes=classes, layers=layers, decay=decay)
    found = certified_minimum(problem, gap=gap)
    assert found.proven
    assert (1 - gap) * found.upper_bound <= found.lower_bound <= found.upper_bound
    assert found.upper_bound == pytest.approx(known_points(problem)[0].loss, rel=1e-12)
    assert found.structure == ("zero" if decay == 0.5 else "simplex")
    assert found.sentence.startswith("The global minimum is at least")


def test_samples_and_unequal_decays_are_a_rescaling():
    problem = Problem(classes=3, layers=2, samples=4, decay=(2.0**-9, 2.0**-6, 2.0**-5))
    mean = problem.mean_decay * 4 ** (1 / 3)
    found = certified_minimum(problem, gap=0.3)
    same = certified_minimum(Problem(classes=3, layers=2, decay=mean), gap=0.3)
    assert found.upper_bound == pytest.approx(same.upper_bound, rel=1e-9)
    assert found.lower_bound == pytest.approx(same.lower_bound, rel=1e-3)


def test_a_spent_budget_is_said_and_the_bound_holds():
    found = certified_minimum(Problem(classes=3, layers=2, decay=2.0**-6), gap=0.01, minutes=0)
    assert not found.proven
    assert 0 <= found.lower_bound < found.upper_bound
    assert found.sentence.startswith("The gap of 1 % was not reached: so far,")


def checked(log: Path) -> float:
    done = subprocess.run([sys.executable, str(CHECKER), str(log)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_another_program_checks_the_log_and_an_interrupted_search_resumes(tmp_path: Path):
    problem = Problem(classes=3, layers=3, decay=2.0**-7)
    log = CertificateLog.open(tmp_path / "log.jsonl", problem)
    stopped = certified_minimum(problem, gap=0.3, minutes=0, record=log.add)
    assert checked(log.path) == pytest.approx(stopped.lower_bound, rel=1e-9, abs=1e-300)
    log.path.write_bytes(log.path.read_bytes()[:-3])  # a crash
    log = CertificateLog.open(log.path, problem)
    whole = certified_minimum(problem, gap=0.3, known=log.leaves, record=log.add)
    assert whole.proven
    assert checked(log.path) == pytest.approx(whole.lower_bound, rel=1e-9)
    again = CertificateLog.open(log.path, problem)
    added: list[Leaf] = []
    resumed = certified_minimum(problem, gap=0.3, known=again.leaves, record=added.append)
    assert (resumed.lower_bound, added) == (whole.lower_bound, [])


def test_the_checker_accepts_only_true_logs(tmp_path: Path):
    problem = Problem(classes=3, layers=2, decay=2.0**-5)
    log = CertificateLog.open(tmp_path / "log.jsonl", problem)
    found = certified_minimum(problem, gap=0.3, record=log.add)
    head, *leaves = log.path.read_text(encoding="utf-8").splitlines()
    forged = tmp_path / "forged.jsonl"
    forged.write_text("\n".join([head, *leaves[1:]]), encoding="utf-8")
    missing = subprocess.run([sys.executable, str(CHECKER), str(forged)], capture_output=True, text=True, check=False)
    assert missing.returncode != 0  # a box without a leaf
    for change in (lambda wrong: None, lambda wrong: [-x for x in wrong], lambda wrong: [50 * x for x in wrong]):
        changed = [json.loads(leaf) for leaf in leaves]
        index = next(i for i, leaf in enumerate(changed) if leaf["wrong"] is not None)
        changed[index]["wrong"] = change(changed[index]["wrong"])
        forged.write_text("\n".join([head, *map(json.dumps, changed)]), encoding="utf-8")
        assert checked(forged) < found.lower_bound
    smaller = json.loads(head) | {"radius": first_box(problem).high[0] / 50}
    forged.write_text("\n".join([json.dumps(smaller), *leaves]), encoding="utf-8")
    assert checked(forged) < found.lower_bound


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "relu"}, "but found activation 'relu' and loss 'ce'; take the linear cross-entropy model"),
        ({"loss": "mse"}, "but found activation 'linear' and loss 'mse'"),
        ({"samples": (1, 2, 2)}, "but found classes of different size; take equally many"),
        ({"layers": 1}, "but found one layer, where collapse is the global minimum in closed form"),
        ({"classes": 6}, "but found 6 classes; the search is for at most 5"),
    ],
)
def test_other_models_are_refused(changes: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        certified_minimum(Problem(**{"classes": 3, "layers": 2, "decay": 0.01} | changes))


@pytest.mark.parametrize("gap", [0.0, 1.0, -1.0, float("nan")])
def test_a_gap_is_a_share(gap: float):
    with pytest.raises(InvalidInputError, match="gap: expected a share between 0 and 1, but found"):
        certified_minimum(Problem(classes=3, layers=2, decay=0.01), gap=gap)


def test_a_log_of_another_model_is_refused(tmp_path: Path):
    CertificateLog.open(tmp_path / "log", Problem(classes=3, layers=2, decay=0.01))
    with pytest.raises(InvalidInputError, match="log: expected the log of this model, but found another file in"):
        CertificateLog.open(tmp_path / "log", Problem(classes=3, layers=2, decay=0.02))
    with pytest.raises(
        InvalidInputError, match=r"log: expected a file that can be read and written, but found .*; name"
    ):
        CertificateLog.open(tmp_path, Problem(classes=3, layers=2, decay=0.02))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "decay", "gap"),
    [(2, 2.0**-6, 0.012), (2, 2.0**-7, 0.012), (2, 2.0**-9, 0.012), (3, 2.0**-8, 0.01), (4, 2.0**-7, 0.05)],
)
def test_three_classes_to_a_percent(layers: int, decay: float, gap: float):
    found = certified_minimum(Problem(classes=3, layers=layers, decay=decay), gap=gap, workers=2)
    assert (found.proven, found.structure) == (True, "simplex")
