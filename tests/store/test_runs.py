"""What a run holds comes back as it was, and damage is told."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Outcome, Store, run_id
from store.oracle import LEASE, put, spec

RUN = run_id(spec(3))
DTYPES = st.sampled_from([bool, np.int8, np.int64, np.uint16, np.float16, np.float32, np.float64, ">f8", ">i4"])
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def kept(store: Store, rows: pa.Table, arrays: dict | None = None, **others):
    claim = store.claim(RUN, "tester", LEASE)
    parts = {"spec": spec(3), "document": {}, "notes": {}} | others
    store.commit(claim, Outcome(rows=rows, arrays=arrays or {}, **parts))
    return store.run(RUN)


@settings(max_examples=25)
@given(st.dictionaries(st.text(max_size=5), arrays_of.arrays(DTYPES, SHAPES), max_size=3))
def test_arrays_come_back(tmp_path_factory, arrays):
    store = Store.create(tmp_path_factory.mktemp("runs") / "store")
    found = kept(store, pa.table({}), {name: array.T for name, array in arrays.items()})
    assert sorted(found.arrays) == sorted(arrays)
    assert len(found.arrays) == len(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array.T)
        assert (found.arrays[name].shape, found.arrays[name].dtype) == (array.T.shape, array.dtype.newbyteorder("="))


def test_documents_come_back_in_their_order(store):
    document = {"z": 1, "a": {"y": np.array([0.1, np.nan]), "b": None}, 3: np.float32(0.5)}
    found = kept(store, pa.table({}), document=document, notes={"seconds": 1.5})
    assert list(found.document) == ["z", "a", "3"]
    assert found.document == {"z": 1, "a": {"y": [0.1, None], "b": None}, "3": 0.5}
    assert (found.spec, found.notes, found.id) == (spec(3), {"seconds": 1.5}, RUN)
    assert found.path == store.path / "runs" / RUN
    assert dict(found.arrays) == {}
    with pytest.raises(KeyError, match="logits"):
        found.arrays["logits"]


def test_rows_come_back_with_the_run_first(store):
    rows = pa.table(
        {
            "text": pa.array(["a", None], pa.large_string()),
            "word": pa.array(["a", "a"]).dictionary_encode(),
            "number": pa.array([1, None], pa.int64()),
            "values": pa.array([[0.5, float("inf")], None], pa.list_(pa.float64())),
            "nothing": pa.nulls(2),
            "run": pa.array(["other", "other"]),
            "flag": pa.array([True, None]),
            "value": pa.array([float("nan"), -0.0]),
        }
    ).replace_schema_metadata({"some": "thing"})
    found = kept(store, rows).rows
    assert found.column_names == ["run", "text", "word", "number", "values", "nothing", "flag", "value"]
    assert found["run"].to_pylist() == [RUN, RUN]
    for name in ("text", "word", "number", "values", "nothing", "flag"):
        assert found[name].to_pylist() == rows[name].to_pylist()
    assert str(found["value"].to_pylist()) == "[nan, -0.0]"
    types = {field.name: str(field.type) for field in found.schema}
    assert (types["text"], types["word"], types["nothing"], types["number"]) == ("string", "string", "null", "int64")
    assert found.schema.metadata is None


def test_a_run_without_rows(store):
    found = kept(store, pa.table({"loss": pa.array([], pa.float64())}))
    assert (found.rows.num_rows, found.rows.column_names) == (0, ["run", "loss"])


@pytest.mark.parametrize(
    "name", ["spec.json", "rows.parquet", "arrays.safetensors", "document.json", "notes.json", "digests.json"]
)
@pytest.mark.parametrize("damage", ["cut", "missing", "empty", "other"])
def test_damage_is_told(store, name, damage):
    put(store, 3)
    path = store.path / "runs" / RUN / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-3], "empty": b"", "other": b"[1, 2]"}[damage])
    wanted = rf"run: expected a whole file, but found {path} damaged \(.*\); delete the folder {path.parent} and do the"
    with pytest.raises(InvalidInputError, match=wanted):
        store.run(RUN)


def test_flipped_bits_in_rows_are_told(store):
    put(store, 3)
    path = store.path / "runs" / RUN / "rows.parquet"
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(3.25).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"found {path} damaged \(other bytes"):
        store.table()


def test_rows_of_another_run_are_told(store):
    id, other = put(store, 3), put(store, 4)
    for name in ("rows.parquet", "digests.json"):
        (store.path / "runs" / id / name).write_bytes((store.path / "runs" / other / name).read_bytes())
    with pytest.raises(InvalidInputError, match=rf"damaged \(rows of run {other}\)"):
        store.table()


def test_a_run_that_is_not_done(store):
    with pytest.raises(
        InvalidInputError, match=rf"run: expected a finished run, but found no {RUN} in .*see its status"
    ):
        store.run(RUN)
