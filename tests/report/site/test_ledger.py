import json
from pathlib import Path

import pytest

from deepcollapse.report.site.ledger import read_ledger
from deepcollapse.reproduce import VERDICTS
from report.site.fake_store import CLAIMS


def written(folder: Path, text: str) -> Path:
    (folder / "ledger.json").write_text(text, encoding="utf-8")
    return folder


def test_claims_are_read_in_order_with_their_numbers(tmp_path: Path):
    found = read_ledger(written(tmp_path, json.dumps({"size": "small", "plan": "p", "claims": CLAIMS})))
    assert found is not None
    assert (found.size, found.plan, found.fault) == ("small", "p", "")
    assert [claim.id for claim in found.claims] == ["E2", "T1", "E4", "E5"]
    first = found.claims[0]
    assert first.mark == "reproduced-with-conditions"
    assert ("points.1.width", "8") in first.numbers
    assert ("grows", "yes") in first.numbers
    assert [(share.label, share.low, share.high) for share in first.shares] == [
        ("d = 8, initial scale = 0.5", 0.0, 0.138),
        ("d = 64, initial scale = 2", 0.862, 1.0),
    ]
    assert [verdict for verdict, _, count in found.tally if count == 1] == list(VERDICTS)


def test_a_store_without_a_ledger_has_none(tmp_path: Path):
    assert read_ledger(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"size": "small"}',
        '{"size": "small", "claims": []}',
        '{"size": "small", "plan": "p", "claims": [3]}',
        '{"size": "small", "plan": "p", "claims": {}}',
    ],
)
def test_a_damaged_ledger_says_so_or_is_empty(tmp_path: Path, text: str):
    found = read_ledger(written(tmp_path, text))
    assert found is not None
    assert found.claims == ()
    assert bool(found.fault) == ("{}" not in text)


def test_a_verdict_that_is_new_is_shown_as_it_is(tmp_path: Path):
    claims = [{"id": "X1", "verdict": "undecided", "runs": None, "numbers": None}]
    found = read_ledger(written(tmp_path, json.dumps({"size": "full", "plan": "p", "claims": claims})))
    assert found is not None
    assert (found.claims[0].verdict, found.claims[0].mark) == ("undecided", "out-of-reach-here")
    assert found.tally == [("undecided", "out-of-reach-here", 1)]


def test_intervals_that_are_none_are_left_out(tmp_path: Path):
    numbers = {
        "a": {"rate": 0.5, "interval": [0.6, 0.7]},
        "b": {"rate": None, "interval": [0.1, 0.7]},
        "c": {"rate": 0.5, "interval": None},
        "d": {"rate": 0.5, "interval": [0.4, True]},
        "audit": {"other_end": {"rate": 0.25, "interval": [0.2, 0.3]}},
    }
    claims = [{"id": "X", "numbers": numbers}]
    found = read_ledger(written(tmp_path, json.dumps({"size": "full", "plan": "p", "claims": claims})))
    assert found is not None
    assert [share.label for share in found.claims[0].shares] == ["audit other end"]
