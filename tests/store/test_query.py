"""Questions in SQL, whichever library answers."""

import sys
import types
from pathlib import Path

import pyarrow as pa
import pytest

from deepcollapse.errors import InvalidInputError, MissingExtraError
from deepcollapse.store import Store
from store.oracle import put

pytest.importorskip("duckdb")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    put(store, 3), put(store, 2, "train")
    return store


@pytest.mark.parametrize("compacted", [False, True])
def test_questions_about_all_rows(store, compacted):
    if compacted:
        store.compact()
    found = store.query("SELECT kind, count(*) AS rows, sum(loss) AS loss FROM runs GROUP BY kind ORDER BY kind")
    assert found.to_pylist() == [
        {"kind": "theory", "rows": 3, "loss": 9.75},
        {"kind": "train", "rows": 2, "loss": 4.25},
    ]


def test_lists_and_nulls(store):
    found = store.query("SELECT of_theory FROM runs ORDER BY loss DESC LIMIT 3")
    assert found["of_theory"].to_pylist() == [[2.0, 2.0], [1.0], []]
    assert store.query("SELECT count(*) AS c FROM runs WHERE of_theory IS NULL")["c"].to_pylist() == [2]


def test_columns_of_the_same_name_are_told_apart(store):
    found = store.query("SELECT kind, number, kind, 1 AS kind_2 FROM runs LIMIT 1")
    assert found.column_names == ["kind", "number", "kind_2", "kind_2_2"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", r"sql: expected a question about the table runs, but found: Parser Error.*SELEC.*; correct it"),
        ("SELECT nothing FROM runs", "but found: Binder Error.*nothing"),
        ("SELECT * FROM others", "but found: Catalog Error.*others"),
        ("SELECT * FROM read_csv('/etc/passwd')", "file system operations are disabled"),
        ("COPY runs TO 'here.csv'", "file system operations are disabled"),
        ("SELECT * FROM store", "but found: Catalog Error.*store"),
    ],
)
def test_bad_questions(store, sql, message):
    with pytest.raises(InvalidInputError, match=message) as told:
        store.query(sql)
    assert "\n" not in str(told.value)


def test_a_statement_without_an_answer(store):
    assert store.query("SET threads = 1").num_rows == 0


def test_without_a_library(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    message = (
        r"query: expected duckdb or polars to be installed, but found none; run: python -m pip install .*\[query\]"
    )
    with pytest.raises(MissingExtraError, match=message):
        store.query("SELECT 1")


def test_polars_takes_over(store, monkeypatch):
    """Against a stand-in with the names of polars that are used; with polars itself where it is installed."""
    asked = []

    class PolarsError(Exception):
        pass

    class SQLContext:
        def __init__(self, **tables):
            asked.append(tables["runs"])

        def execute(self, sql, *, eager):
            assert eager
            if sql == "bad":
                raise PolarsError("no\nsuch thing")
            return types.SimpleNamespace(to_arrow=lambda: pa.table({"answer": [1]}))

    polars = types.SimpleNamespace(
        __name__="polars",
        from_arrow=lambda table: table,
        SQLContext=SQLContext,
        exceptions=types.SimpleNamespace(PolarsError=PolarsError),
    )
    monkeypatch.setitem(sys.modules, "polars", polars)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert store.query("SELECT 1").to_pylist() == [{"answer": 1}]
    assert asked[0].num_rows == 5
    with pytest.raises(InvalidInputError, match=r"sql: expected .* but found: no such thing; correct it"):
        store.query("bad")


def test_polars_itself(store, monkeypatch):
    pytest.importorskip("polars")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    found = store.query("SELECT kind, count(*) AS rows FROM runs GROUP BY kind ORDER BY kind")
    assert found.to_pylist() == [{"kind": "theory", "rows": 3}, {"kind": "train", "rows": 2}]
    for sql in ("SELEC 1", "SELECT nothing FROM runs", "SELECT * FROM others"):
        with pytest.raises(InvalidInputError, match="sql: expected a question"):
            store.query(sql)
