import json

import numpy as np
import pytest
from hypothesis import given, settings

from deepcollapse.theory.baseline import baseline
from deepcollapse.theory.certificate import nothing_claimed, outside_model, plain, standing_hypotheses
from deepcollapse.theory.imbalance import imbalance
from deepcollapse.theory.overview import THEOREMS
from deepcollapse.ufm import Problem
from theory.oracle import sizes

SHALLOW = {"t2": {"layers_max": 8}, "t3": {"depths": (1, 4, 16)}}
ALL = (*THEOREMS, baseline, imbalance)


@pytest.mark.parametrize("theorem", ALL, ids=lambda theorem: theorem.__name__)
@settings(max_examples=12)
@given(chosen=sizes())
def test_certificates_agree_with_their_checks_and_with_the_theorem(theorem, chosen):
    problem = Problem(**chosen)
    certificate = theorem(problem, **SHALLOW.get(theorem.__name__, {}))
    check = certificate.check()
    assert check.agrees is not False, (certificate, check)
    assert check.numbers or check.agrees is None  # nothing measured is no agreement
    assert check.method
    if certificate.applies and certificate.theorem != "T5":  # whose first clause is refuted
        assert certificate.holds is not False
    found = certificate.as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["applies"] == all(found["hypotheses"].values())


def test_a_problem_outside_the_model():
    assert not outside_model(Problem(classes=3, layers=2))
    assert not outside_model(Problem(classes=3, layers=2, width=1))
    assert outside_model(Problem(classes=3, layers=2, samples=(1, 2, 1)))
    assert outside_model(Problem(classes=3, layers=2, loss="mse"))
    assert outside_model(Problem(classes=3, layers=2, activation="relu"))
    assert not outside_model(Problem(classes=3, layers=2, activation="relu"), activation="relu")


def test_nothing_claimed_names_the_hypothesis_that_fails():
    hypotheses = standing_hypotheses(Problem(classes=3, layers=2, loss="mse", width=2))
    certificate = nothing_claimed("T1", "statement", hypotheses)
    assert (certificate.applies, certificate.holds, dict(certificate.numbers)) == (False, None, {})
    assert certificate.notes == ("not applicable: cross-entropy, width >= classes is required",)
    assert certificate.check().agrees is None


def test_plain_leaves_only_what_json_knows():
    value = {"a": np.arange(2), 3: (np.float64(0.5), None, "x"), "b": {"c": np.bool_(True)}}
    assert plain(value) == {"a": [0, 1], "3": [0.5, None, "x"], "b": {"c": True}}
