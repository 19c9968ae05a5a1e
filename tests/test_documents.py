"""Whatever bytes come: the object that was asked for, or one error of ours."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.documents import json_object, toml_document
from deepcollapse.errors import InvalidInputError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.dictionaries(st.text(), VALUES))
def test_objects_come_back(document):
    assert json_object(json.dumps(document)) == document
    assert json_object(json.dumps(document, ensure_ascii=False).encode()) == document


@given(st.binary())
def test_other_bytes_are_one_error(content):
    for read in (json_object, toml_document):
        with suppress(InvalidInputError):
            assert isinstance(read(content), dict)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": 1',
        b"\x00",
        b"",
        b"[1]",
        b"null",
    ],
)
def test_damage_is_one_error(content):
    with pytest.raises(InvalidInputError, match=r"expected (JSON|a JSON object), but found.*; correct it"):
        json_object(content)


@pytest.mark.parametrize("value", [None, True, "1", 1.5, [1], {"a": 1}, 10**30])
def test_a_field_has_its_type(value):
    with pytest.raises(InvalidInputError, match="expected 'attempt' to be int, but found"):
        json_object(json.dumps({"attempt": value}), {"attempt": int})


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "-1e300"])
def test_a_number_is_finite_and_of_64_bits(value):
    with pytest.raises(InvalidInputError, match=r"expected 'lease' to be int \| float, but found"):
        json_object(f'{{"lease": {value}}}', {"lease": int | float})


def test_a_missing_field():
    with pytest.raises(InvalidInputError, match="expected 'lease' to be int, but found none"):
        json_object("{}", {"lease": int})


@pytest.mark.parametrize("content", [b"x = " + b"[" * 50_000 + b"]" * 50_000, b"\xff", b"x =", b"x = " + b"9" * 5000])
def test_toml_is_one_error(content):
    with pytest.raises(InvalidInputError, match="expected TOML, but found"):
        toml_document(content)
