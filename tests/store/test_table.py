"""The table of all rows equals a plain loop over the runs, however much of it is compacted."""

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Outcome, Queued, Store, run_id, table
from deepcollapse.store.union import union
from store.oracle import LEASE, outcome, put, rows_of_all, spec

KINDS = ("theory", "simulate", "train")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def unfinished(store: Store, number: int, kind: str) -> None:
    """A run's files, put in their place directly."""
    folder = store.path / "runs" / run_id(spec(number, kind))
    folder.mkdir(exist_ok=True)
    for name, content in outcome(number, kind).files(folder.name).items():
        (folder / name).write_bytes(content)


@settings(max_examples=15)
@given(st.data())
def test_it_is_the_loop_over_the_runs(tmp_path_factory, data):
    store = Store.create(tmp_path_factory.mktemp("table") / "store")
    few, seen = data.draw(st.sampled_from([0, 256])), set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_FEW", few)
        for _ in range(data.draw(st.integers(1, 3))):
            for number in data.draw(st.sets(st.integers(0, 6), max_size=4)):
                unfinished(store, number, data.draw(st.sampled_from(KINDS)))
            if data.draw(st.booleans()):
                assert store.compact() == len(store.done() - seen)
                seen = store.done()
            check(store)
        some = data.draw(st.sets(st.sampled_from(sorted(store.done() | {"0" * 16}))))
        check(store, some)


def check(store: Store, ids: set[str] | None = None) -> None:
    found = store.table(ids)
    expected = rows_of_all(store, ids)
    assert found.column_names[0] == "run"
    columns = {name for row in expected for name in row}
    assert columns <= set(found.column_names)
    extra = set(found.column_names) - columns
    assert [{k: v for k, v in row.items() if k not in extra} for row in found.to_pylist()] == expected
    assert all(found[name].null_count == len(found) for name in extra)


def test_an_empty_store_has_no_rows(store):
    assert (store.table().num_rows, store.table().column_names) == (0, ["run"])
    assert store.compact() == 0
    assert store.table().num_rows == 0
    put(store, 2)
    assert store.compact() == 1


def test_only_new_runs_are_read(store, monkeypatch):
    monkeypatch.setattr(table, "_FEW", 0)
    for number in (1, 2, 3):
        put(store, number)
    assert store.compact() == 3
    before, read, rows = (store.path / "table.parquet").stat(), [], table.read_rows
    monkeypatch.setattr(table, "read_rows", lambda folder: read.append(folder.name) or rows(folder))
    assert store.compact() == 0
    assert (store.path / "table.parquet").stat().st_mtime_ns == before.st_mtime_ns
    new = put(store, 4)
    assert store.table().num_rows == 10
    assert read == [new]
    assert store.compact() == 1
    assert read == [new, new]
    assert store.table() == store.table(store.done())
    assert len(read) == 2


def done_again(store: Store, number: int) -> str:
    """Do a run, delete its folder, and do it again, with another result; as long after as clocks need to tell."""
    id = put(store, number)
    store.compact()
    shutil.rmtree(store.path / "runs" / id)
    store.commit(store.claim(id, "tester", LEASE), replace(outcome(number + 2), spec=spec(number)))
    os.utime(store.path / "runs" / id, (1, 1))
    return id


def test_a_run_that_is_done_again_replaces_its_rows(store, monkeypatch):
    monkeypatch.setattr(table, "_FEW", 0)
    put(store, 1), put(store, 2)
    id = done_again(store, 3)
    assert len(rows_of_all(store, {id})) == 5
    assert store.table().to_pylist() == rows_of_all(store)
    assert (store.compact(), store.compact()) == (1, 0)
    assert pq.read_table(store.path / "table.parquet").to_pylist() == rows_of_all(store)


def test_the_file_is_one_for_everyone(store):
    put(store, 3), put(store, 2, "train")
    store.compact()
    found = pq.read_table(store.path / "table.parquet")
    assert found.to_pylist() == store.table().to_pylist()
    assert found["of_train"].null_count == 3


def test_the_name_of_the_folder_is_no_column(tmp_path, monkeypatch):
    """As Parquet readers take it to be."""
    monkeypatch.setattr(table, "_FEW", 0)
    store = Store.create(tmp_path / "run=5" / "width=10")
    put(store, 3)
    store.compact()
    assert store.table().to_pylist() == rows_of_all(store)


def test_progress_is_told(store, monkeypatch):
    monkeypatch.setattr(table, "_CHUNK", 2)
    for number in range(5):
        put(store, number)
    told = []
    store.compact(lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_an_interrupted_compaction_leaves_the_older_table(store, monkeypatch):
    put(store, 3)
    store.compact()
    before = (store.path / "table.parquet").read_bytes()
    put(store, 4)

    write_bytes = Path.write_bytes

    def cut(path, content):
        write_bytes(path, content[:99])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", cut)
    with pytest.raises(KeyboardInterrupt):
        store.compact()
    assert (store.path / "table.parquet").read_bytes() == before
    assert list((store.path / "staging").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"other", b"deepcollapse.sha256"])
def test_a_damaged_table_is_made_again(store, monkeypatch, content):
    """Its rows are in the folders of their runs."""
    monkeypatch.setattr(table, "_FEW", 0)
    put(store, 3)
    (store.path / "table.parquet").write_bytes(content)
    assert store.table().to_pylist() == rows_of_all(store)
    assert (store.compact(), store.compact()) == (1, 0)
    assert store.table().to_pylist() == rows_of_all(store)


def test_columns_do_not_depend_on_history(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "_FEW", 0)
    found = []
    for number, order in enumerate([KINDS, KINDS[::-1], ("simulate", "train", "theory")]):
        store = Store.create(tmp_path / str(number))
        for kind in order:
            put(store, 2, kind)
            if number < 2:
                store.compact()
        gone = put(store, 1, "other")
        store.compact()
        shutil.rmtree(store.path / "runs" / gone)
        assert store.table().column_names == store.table(store.done()).column_names
        store.compact()
        found.append((store.table().column_names, pq.read_schema(store.path / "table.parquet").names))
    assert found == [(found[0][0], found[0][0])] * 3
    assert found[0][0] == ["run", "kind", "number", "loss", "of_simulate", "of_theory", "of_train"]


def flipped(store: Store, path: Path, bit: int) -> list[dict] | None:
    """The store's rows with one bit of a file flipped, None if they are refused; the file is as before then."""
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        opened = Store.open(store.path)
        for id in opened.done():
            found = opened.run(id)
            assert found.document == {"loss": found.spec["number"]}
            assert all((array == found.spec["number"]).all() for array in dict(found.arrays).values())
        return opened.table().to_pylist()
    except (InvalidInputError, TypeCheckError):  # the check of types reads an array, too
        return None
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("flips", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_a_flipped_bit_changes_no_row(store, monkeypatch, flips):
    monkeypatch.setattr(table, "_FEW", 0)
    store.enqueue("plan", [Queued(run_id(spec(number)), "a", spec(number)) for number in (1, 2, 3)], {})
    put(store, 1), put(store, 2), put(store, 3, "train")
    store.compact()
    before, rng = store.table().to_pylist(), random.Random(0)
    files = sorted(path for path in store.path.rglob("*") if path.is_file())
    found = []
    for _ in range(flips):
        path = rng.choice(files)
        found.append(flipped(store, path, rng.randrange(8 * path.stat().st_size)))
    assert all(rows in (None, before) for rows in found)
    assert found.count(None) > flips / 3


def keep(store: Store, number: int, column: pa.Array) -> str:
    id = run_id(spec(number))
    rows = pa.table({"value": column})
    store.commit(store.claim(id, "tester", LEASE), Outcome(spec(number), rows, {}, {}, {}))
    return id


@pytest.mark.parametrize("compacted", [False, True])
def test_types_must_agree(store, compacted):
    one = keep(store, 1, pa.array([None, 0.5]))
    if compacted:
        store.compact()
    other = keep(store, 2, pa.array(["auto"]))
    found = {f"double in run {one}", f"string in run {other}"}
    with pytest.raises(
        InvalidInputError, match="rows: expected one type of column 'value' in all runs, but found"
    ) as told:
        store.compact()
    assert all(text in str(told.value) for text in found)
    assert "ask for the runs of one of these types by their ids, or delete the folder of a wrong run" in str(told.value)
    assert store.table([one]).num_rows == 2


def test_a_column_without_values_has_any_type(store):
    keep(store, 1, pa.nulls(2))
    keep(store, 2, pa.array([[], []], pa.list_(pa.null())))
    keep(store, 3, pa.array([[0.5]]))
    assert str(store.table().schema.field("value").type) == "list<element: double>"
    assert sorted(map(str, store.table()["value"].to_pylist())) == ["None", "None", "[0.5]", "[]", "[]"]


def test_one_damaged_run_is_told_without_reading_on(store):
    ids = [put(store, number) for number in range(4)]
    path = store.path / "runs" / min(ids) / "rows.parquet"
    path.write_bytes(b"")
    with pytest.raises(InvalidInputError, match=f"found {path} damaged"):
        store.compact()
    assert not (store.path / "table.parquet").exists()


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from("abc"), unique=True), max_size=6), st.randoms(use_true_random=False))
def test_a_union_keeps_all_rows(columns, order):
    tables = []
    for index, names in enumerate(columns):
        values = {name: [order.randint(0, 9) for _ in range(index)] for name in names}
        tables.append(pa.table({"run": [str(index)] * index, **values}, schema=schema(names)))
    found = union(tables)
    expected = [row for table in tables for row in table.to_pylist()]
    names = ["run", *dict.fromkeys(name for group in columns for name in group)]
    assert sorted(found.column_names) == sorted(names)
    rows = [{name: row.get(name) for name in names} for row in expected]
    assert sorted(map(tuple_of(names), found.to_pylist())) == sorted(map(tuple_of(names), rows))


def schema(names: list[str]) -> pa.Schema:
    return pa.schema([("run", pa.string()), *((name, pa.int64()) for name in names)])


def tuple_of(names: list[str]):
    return lambda row: tuple((row[name] is None, row[name] or 0) for name in names)


def test_order_is_by_run(store):
    for number in random.Random(0).sample(range(1, 8), 7):
        put(store, number)
    runs = store.table()["run"].to_pylist()
    assert runs == sorted(runs)
    losses = store.table([run_id(spec(5))])["loss"].to_pylist()
    assert losses == [5.0, 5.25, 5.5, 5.75, 6.0]
