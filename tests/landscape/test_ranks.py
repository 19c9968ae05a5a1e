"""Descent over ranks: what is dropped, what is kept, what counts as one."""

import numpy as np
import pytest

from deepcollapse.landscape.batch import Objective
from deepcollapse.landscape.build import random_codes
from deepcollapse.landscape.ranks import Codes, code_of, descended, merged, scaled
from deepcollapse.ufm import Problem, structure

OBJECTIVE = Objective(layers=2, decay=2.0**-10)
PAIRED = structure("paired", Problem(classes=6, layers=2))


def test_a_code_with_a_direction_too_many_ends_at_lower_rank():
    noise = np.random.default_rng(1).standard_normal((6, 6))
    start = {5: code_of(PAIRED.logits + 0.05 * (noise - noise.mean(axis=0)), rank=5, origin=7)}
    found = descended(start, OBJECTIVE, kept=3)
    assert set(found) == {3}
    assert found[3].origins.tolist() == [7]
    value = OBJECTIVE.value_and_gradient(found[3].factors)[0][0]
    assert value * 2.0**-10 == pytest.approx(PAIRED.loss, rel=1e-8)


def test_points_met_twice_are_one_and_come_by_increasing_loss():
    starts = {rank: random_codes(6, rank, count=12, generator=np.random.default_rng(rank)) for rank in range(1, 6)}
    found = descended(starts, OBJECTIVE, kept=3)
    for codes in found.values():
        values = OBJECTIVE.value_and_gradient(codes.factors)[0]
        assert len(values) <= 3
        assert (np.diff(values) > 1e-7 * values[:-1]).all()


def test_codes_merge_and_scale():
    one, other = code_of(PAIRED.logits, rank=3, origin=0), code_of(PAIRED.logits, rank=2, origin=1)
    pool = merged([{3: one}, {2: other}, {3: Codes(2 * one.factors, one.origins + 5)}])
    assert {rank: codes.origins.tolist() for rank, codes in pool.items()} == {2: [1], 3: [0, 5]}
    larger = scaled({3: one}, before=2.0**-10, after=2.0**-20)
    assert larger[3].logits == pytest.approx(2 * one.logits)
    assert one.logits[0] == pytest.approx(PAIRED.logits)


def test_nothing_leads_to_nothing():
    assert descended({}, OBJECTIVE, kept=3) == {}
