"""Ids: one for each meaning, whatever its spelling."""

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import run_id
from deepcollapse.store.identity import canonical_json, nullable_json, plain_json

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)
SMALL = st.dictionaries(st.sampled_from("ab"), st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, "1", None, [1], [1.0]]))


def shuffled(value, order):
    """The same with the keys of every mapping in another order, and tuples for lists."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return tuple(shuffled(entry, order) for entry in value) if isinstance(value, list) else value


@settings(max_examples=40)
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_the_id_is_the_digest_of_sorted_json(document, order):
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert run_id(document) == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert run_id(shuffled(document, order)) == run_id(document)
    assert run_id(json.loads(canonical_json(document))) == run_id(document)
    kept = plain_json(document, "spec")
    assert (json.dumps(kept), run_id(kept)) == (json.dumps(document), run_id(document))


def spelling(value):
    """A value with its types: Python takes True, 1 and 1.0 for the same, and 0.0 for -0.0."""
    if isinstance(value, dict):
        return {key: spelling(entry) for key, entry in value.items()}
    return [spelling(entry) for entry in value] if isinstance(value, list) else (type(value), repr(value))


@settings(max_examples=40)
@given(SMALL, SMALL)
def test_different_documents_have_different_ids(one, other):
    assert (run_id(one) == run_id(other)) == (spelling(one) == spelling(other))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numpy_floats_are_floats(value):
    assert run_id({"x": np.float64(value)}) == run_id({"x": value})
    assert math.copysign(1.0, json.loads(canonical_json({"x": value}))["x"]) == math.copysign(1.0, value)


def test_whole_and_decimal_numbers_differ():
    assert len({run_id({"x": value}) for value in (1, 1.0, True, "1", None, [1])}) == 6


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"a": {"b": [0, math.nan]}}, r"identity\.a\.b\[1\]: expected what JSON can hold, but found nan; convert it"),
        ({"a": math.inf}, r"identity\.a: expected .* but found inf"),
        ({"a": {1: 2}}, r"identity\.a: expected keys that are strings, but found 1; rename it"),
        ({"a": np.int64(3)}, r"identity\.a: expected .* but found np\.int64\(3\)"),
        ({"a": {1, 2}}, r"identity\.a: expected .* but found \{1, 2\}"),
    ],
)
def test_what_json_cannot_hold_is_refused(document, message):
    with pytest.raises(InvalidInputError, match=message):
        run_id(document)


def test_results_lose_what_has_no_value():
    found = {"array": np.array([1.0, np.nan]), "scalar": np.int64(3), 5: (math.inf, "x", True, None)}
    assert nullable_json(found, "document") == {"array": [1.0, None], "scalar": 3, "5": [None, "x", True, None]}
    with pytest.raises(InvalidInputError, match=r"document\.x: expected what JSON can hold, but found <object"):
        nullable_json({"x": object()}, "document")
