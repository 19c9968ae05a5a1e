import json
import re

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import MissingRunsError
from deepcollapse.plot.paper.planned import planned_runs, plans_to_draw
from deepcollapse.store import Store
from plot.paper.stores import PARTS, do, queued, simulated


@pytest.fixture
def begun(tmp_path):
    """A store with one of two runs of E2 done, and none of E3 and E2-wide."""
    store = Store.create(tmp_path / "a store")
    parts = {
        "E2": [simulated(width=6), simulated()],
        "E2-audit": [simulated(init_scale=0.5)],
        "E2-wide": [simulated(width=9)],
        "E3": [simulated(decay=2.0**-6)],
        "E22": [simulated(seeds=1)],
    }
    runs = queued(parts)
    store.enqueue("reproduction quick", runs, {})
    for run in (runs[1], runs[2], runs[5]):
        do(store, run)
    return store


def test_rows_of_a_part_are_in_the_order_of_the_plan(store):
    runs = planned_runs(store, plans_to_draw(store)[0], ("E2",))
    wanted = [(spec["width"], spec["init_scale"]) for spec in PARTS["E2"]]
    assert [(row["width"], row["init_scale"]) for row in runs.rows[::4]] == wanted
    assert {row["part"] for row in runs.rows} == {"E2"}
    assert (runs.done, runs.planned, runs.remark) == (6, 6, "")
    assert runs.ids == tuple(run.id for run in queued({"E2": PARTS["E2"]}))


def test_a_part_is_found_by_the_start_of_its_name(store):
    runs = planned_runs(store, plans_to_draw(store)[0], ("E4", "E5"))
    assert [row["part"] for row in runs.rows] == ["E4-digits", "E4-digits"]


def test_runs_that_are_not_done_are_counted(begun):
    runs = planned_runs(begun, plans_to_draw(begun)[0], ("E2",))  # with E2-wide, without E22 and the audit
    assert (runs.done, runs.planned, runs.lacking) == (1, 3, ("E2-wide",))
    assert runs.remark == "1 of 3 planned runs are done, none of E2-wide."
    assert [(row["width"], row["init_scale"]) for row in runs.rows] == [(4, 1.0)] * 4


def test_what_is_missing_is_named_with_the_command_that_makes_it(begun):
    plan, path = plans_to_draw(begun)[0], re.escape(f"'{begun.path}'")
    remedy = f"do them with deepcollapse reproduce --size SIZE --store {path} --only"
    quick, small = remedy.replace("SIZE", "quick"), remedy.replace("SIZE", "small")
    with pytest.raises(MissingRunsError, match=f"E3: expected finished runs, but found 0 of 1 in .*; {quick} E3"):
        planned_runs(begun, plan, ("E3",))
    with pytest.raises(MissingRunsError, match=f"E4,E5: expected a part of that name in .*found none; {small} E4,E5"):
        planned_runs(begun, plan, ("E4", "E5"))
    with pytest.raises(MissingRunsError, match=f"kind train, but found none among 1 of 3 that are done; {quick} E2"):
        planned_runs(begun, plan, ("E2",)).only(kind="train")


def test_plans_are_looked_through_from_the_ledgers_to_the_small_ones(begun):
    for name in ("other", "reproduction small of E3"):
        begun.enqueue(name, queued({"E3": [simulated(decay=2.0**-4)]}), {})
    names = ["reproduction small of E3", "reproduction quick", "other"]
    assert [plan.name for plan in plans_to_draw(begun)] == names
    assert [plan.name for plan in plans_to_draw(begun, "other")] == ["other"]
    with pytest.raises(
        InvalidInputError, match=r"plan: expected one of other, reproduction quick, .* but found 'third'"
    ):
        plans_to_draw(begun, "third")
    (begun.path / "ledger.json").write_text(json.dumps({"plan": "other"}))
    assert [plan.name for plan in plans_to_draw(begun)] == ["other", *names[:2]]
    (begun.path / "ledger.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"ledger: expected JSON in .*ledger\.json, but found it damaged"):
        plans_to_draw(begun)


def test_a_store_without_a_plan_says_how_to_make_one(tmp_path):
    with pytest.raises(MissingRunsError, match=r"plan: expected a plan in .*; make one with deepcollapse reproduce"):
        plans_to_draw(Store.create(tmp_path / "empty"))
