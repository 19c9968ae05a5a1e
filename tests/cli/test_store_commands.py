"""The commands that look after a store, as a user meets them."""

import csv
import io
import json
import os
import time
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.simulate import STATUSES
from deepcollapse.store import Queued, Store, run_id
from store.oracle import LEASE, put, rewrite, spec


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    store.enqueue("by width", [Queued(run_id(spec(n)), "a", spec(n)) for n in range(1, 6)], {})
    put(store, 2), put(store, 3)
    store.claim(run_id(spec(4)), "worker", LEASE)
    store.fail(store.claim(run_id(spec(5)), "worker", LEASE), ValueError("no [/red] luck"))
    return store


@pytest.fixture
def output(capsys: pytest.CaptureFixture):
    """Runs a command that must succeed; what it writes."""

    def called(*arguments: object) -> str:
        assert run([*map(str, arguments)]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return called


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture):
    """Runs a command that must fail; its exit code and its one line."""

    def called(*arguments: object) -> tuple[int, str]:
        code = run([*map(str, arguments)])
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        return code, captured.err.strip()

    return called


def test_status_as_json(store, output):
    text = output("status", store.path, "--json")
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "plan": None,
        "total": 5,
        "done": 2,
        "running": 1,
        "failed": 1,
        "pending": 1,
        "eta_seconds": 2 * 2.5,
        "errors": [{"id": run_id(spec(5)), "error": "ValueError: no [/red] luck"}],
        "ends": {status.replace(" ", "_"): 0 for status in STATUSES},
    }


def test_status_for_people(store, output):
    text = output("status", store.path)
    assert f"Runs in {store.path}" in text
    assert [word for word in text.split() if word.isdigit()] == ["5", "2", "1", "1", "1", "5"]
    assert "5 s" in text
    assert f"{run_id(spec(5))} │ ValueError: no [/red] luck" in text
    assert "All runs are done" not in text


def test_status_of_one_of_several_plans(store, output, refusal):
    store.enqueue("other", [Queued(run_id(spec(2)), "a", spec(2))], {})
    lines = [line.split("│")[1:4] for line in output("status", store.path).splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in line] for line in lines[:3]] == [
        ["by width", "5", "2"],
        ["other", "1", "1"],
        ["(all)", "5", "2"],
    ]
    assert json.loads(output("status", store.path, "--plan", "other", "--json"))["plan"] == "other"
    assert "All runs are done." in output("status", store.path, "--plan", "other")
    assert refusal("status", store.path, "--plan", "none") == (
        2,
        "deepcollapse: plan: expected one of by width, other, but found 'none'; name one of them",
    )


def test_compact(store, output):
    path = store.path / "table.parquet"
    assert output("compact", store.path) == f"2 new of 2 finished runs: {path}\n"
    assert json.loads(output("compact", store.path, "--json")) == {"new": 0, "runs": 2, "path": str(path)}


QUESTION = "SELECT number, count(*), max(of_theory) AS list, NULL AS nothing FROM runs GROUP BY number ORDER BY number"


def test_query_as_json(store, output):
    text = output("query", store.path, QUESTION, "--json")
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "columns": ["number", "count_star()", "list", "nothing"],
        "rows": [
            {"number": 2, "count_star()": 2, "list": [1.0], "nothing": None},
            {"number": 3, "count_star()": 3, "list": [2.0, 2.0], "nothing": None},
        ],
    }


def test_query_as_csv(store, output):
    text = output("query", store.path, QUESTION, "--csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["number", "count_star()", "list", "nothing"]
    assert [(row[0], row[1], row[3]) for row in rows[1:]] == [("2", "2", ""), ("3", "3", "")]
    assert [json.loads(row[2]) for row in rows[1:]] == [[1.0], [2.0, 2.0]]


def test_query_for_people(store, output):
    text = output("query", store.path, "SELECT 'a [/b] c' AS text, [0.5, NULL] AS list, TRUE AS flag, NULL AS nothing")
    assert [cell.strip() for cell in text.splitlines()[3].split("│")[1:5]] == ["a [/b] c", "0.5, —", "yes", "—"]
    many = output("query", store.path, "SELECT range AS n FROM range(1000)")
    assert "199" in many
    assert many.endswith("... and 800 more rows; --csv or --json writes all\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELEC 1"], "deepcollapse: sql: expected a question about the table runs, but found: Parser Error: "),
        ([], "deepcollapse: query: expected STORE and SQL, but found 1 arguments; quote the SQL"),
        (["SELECT", "1"], "deepcollapse: query: expected STORE and SQL, but found 3 arguments; quote the SQL"),
        (["SELECT 1", "--csv", "--json"], "deepcollapse: query: expected --json or --csv, but found both; choose one"),
    ],
)
def test_bad_questions(store, refusal, arguments, message):
    code, line = refusal("query", store.path, *arguments)
    assert (code, line[: len(message)]) == (2, message)


@pytest.mark.parametrize("command", [["status"], ["compact"], ["gc"], ["query", "SELECT 1"]])
def test_what_is_no_store(command, tmp_path, refusal):
    name, *rest = command
    code, line = refusal(name, tmp_path, *rest)
    wanted = (
        f"store: expected a store, but found no {tmp_path}/store.json; check the path, or begin one with deepcollapse"
    )
    assert (code, line) == (2, f"deepcollapse: {wanted} sweep")
    (tmp_path / "store.json").write_text('{"format": 3}')
    code, line = refusal(name, tmp_path, *rest)
    wanted = f"store: expected format 2, but found 3 in {tmp_path}/store.json; use the release that made it"
    assert (code, line) == (2, f"deepcollapse: {wanted}")


@pytest.mark.parametrize("name", ["status", "compact", "gc"])
def test_one_store_at_a_time(name, refusal):
    for folders, found in (([], "none"), (["a", "b"], "a, b")):
        wanted = f"deepcollapse: store: expected the folder of one store, but found {found}; name one"
        assert refusal(name, *folders) == (2, wanted)


def test_gc(store, output):
    claim = f"claims/{run_id(spec(5))}.json"
    assert output("gc", store.path, "--dry-run") == f"{claim}\n1 would be removed\n"
    found = json.loads(output("gc", store.path, "--json"))
    assert found == {"claims": [Path(claim).name], "staging": [], "work": [], "runs": [], "failures": []}
    assert output("gc", store.path) == "0 removed\n"
    stranger = put(store, 1, "train")
    assert output("gc", store.path, "--unplanned", "--dry-run") == f"runs/{stranger}\n1 would be removed\n"
    assert output("gc", store.path, "--unplanned") == f"runs/{stranger}\n1 removed\n"
    assert len(store.done()) == 2


def test_a_damaged_run_ends_in_one_line(store, refusal):
    path = store.path / "runs" / run_id(spec(2)) / "rows.parquet"
    path.write_bytes(b"")
    code, line = refusal("compact", store.path)
    assert (code, f"expected a whole file, but found {path} damaged" in line) == (2, True)


def test_a_long_time_is_told_in_hours(store, output):
    rewrite(store.path / "runs" / run_id(spec(2)) / "notes.json", '{"seconds": 7200}')
    rewrite(store.path / "runs" / run_id(spec(3)) / "notes.json", '{"seconds": 7320}')
    assert "4 h 2 min" in output("status", store.path)
    rewrite(store.path / "runs" / run_id(spec(2)) / "notes.json", '{"seconds": 77}')
    rewrite(store.path / "runs" / run_id(spec(3)) / "notes.json", '{"seconds": 77}')
    assert "2 min 34 s" in output("status", store.path)
    path = store.path / "claims" / f"{run_id(spec(4))}.json"
    os.utime(path, (time.time() - LEASE - 60,) * 2)
    assert "│ —" in output("status", store.path)
