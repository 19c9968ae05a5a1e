"""Questions in SQL."""

from decimal import Decimal
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Store
from store.oracle import put


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


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("sum(number)", 13),
        ("1.5", Decimal("1.5")),
        ("340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455"),
        ("DATE '2020-02-03'", "2020-02-03"),
        ("DATE '290000-01-01'", "290000-01-01"),
        ("'infinity'::TIMESTAMP", "infinity"),
        ("TIMESTAMP_NS '2020-01-01 00:00:00.123456789'", "2020-01-01 00:00:00.123456789"),
        ("TIMETZ '12:00:00+02'", "12:00:00+02"),
        ("INTERVAL 3 MONTH", "3 months"),
        (r"'\xAA'::BLOB", r"\xAA"),
        ("'0101'::BIT", "0101"),
        ("'a'::ENUM('a', 'b')", "a"),
        ("union_value(a := 1)", "1"),
        ("NULL", None),
        ("[DATE '2020-01-01', NULL]", ["2020-01-01", None]),
        ("""{'a "b"': [DATE '2020-01-01'], 'c': 1}""", {'a "b"': ["2020-01-01"], "c": 1}),
        ("MAP {'a': DATE '2020-01-01'}", [("a", "2020-01-01")]),
        ("[1, 2]::INT[2]", [1, 2]),
    ],
)
def test_every_type_has_an_answer(store, sql, expected):
    assert store.query(f"SELECT {sql} AS x FROM runs")["x"].to_pylist()[0] == expected
