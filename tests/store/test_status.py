"""How far a store has come: every run is in one state, and the time that is left follows from those that are done."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Queued, Status, Store, run_id, status
from store.oracle import LEASE, outcome, put, spec


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def enqueue(store: Store, name: str, *runs: tuple[int, str]) -> None:
    store.enqueue(name, [Queued(run_id(spec(*run)), "part", spec(*run)) for run in runs], {})


def test_every_run_is_in_one_state(store):
    enqueue(store, "first", *((number, "theory") for number in range(1, 7)))
    enqueue(store, "second", (6, "theory"), (7, "train"))
    put(store, 1), put(store, 2)
    store.claim(run_id(spec(3)), "first", LEASE)
    store.claim(run_id(spec(4)), "second", LEASE)
    store.fail(store.claim(run_id(spec(5)), "third", LEASE), ValueError("no"))
    found = store.status("first")
    assert found == Status(
        plan="first",
        total=6,
        done=2,
        running=2,
        failed=1,
        pending=1,
        eta_seconds=3 * 1.5 / 2,  # two took 1 and 2 s, three are left, two workers live
        errors=((run_id(spec(5)), "ValueError: no"),),
    )
    assert found.as_json() == {
        "plan": "first",
        "total": 6,
        "done": 2,
        "running": 2,
        "failed": 1,
        "pending": 1,
        "eta_seconds": 2.25,
        "errors": [{"id": run_id(spec(5)), "error": "ValueError: no"}],
    }
    whole = store.status()
    assert (whole.plan, whole.total, whole.pending, whole.eta_seconds) == (None, 7, 2, None)


def test_all_plans_at_once(store):
    enqueue(store, "b", *((number, "theory") for number in range(1, 4)))
    enqueue(store, "a", (1, "theory"))
    put(store, 1), put(store, 9)
    found = store.statuses()
    assert [(one.plan, one.total, one.done) for one in found] == [("a", 1, 1), ("b", 3, 1), (None, 4, 2)]
    assert found == tuple(map(store.status, ("a", "b", None)))


def test_the_time_left_is_by_kind(store):
    enqueue(store, "plan", *((number, kind) for kind in ("theory", "train") for number in range(1, 5)))
    put(store, 1), put(store, 3), put(store, 4, "train")
    assert store.status().eta_seconds is None  # no one is at work
    store.claim(run_id(spec(2)), "first", LEASE)
    assert store.status().eta_seconds == 2 * 2.0 + 3 * 4.0
    store.claim(run_id(spec(1, "train")), "first", LEASE)
    assert store.status().eta_seconds == 2 * 2.0 + 3 * 4.0  # the same worker
    store.claim(run_id(spec(2, "train")), "second", LEASE)
    assert store.status().eta_seconds == (2 * 2.0 + 3 * 4.0) / 2


def test_nothing_known_of_a_kind(store):
    enqueue(store, "plan", (1, "theory"), (2, "theory"), (1, "train"))
    put(store, 1)
    store.claim(run_id(spec(2)), "first", LEASE)
    assert store.status().eta_seconds is None


def test_runs_without_times_give_no_time(store):
    enqueue(store, "plan", (1, "theory"), (2, "theory"))
    claim = store.claim(run_id(spec(1)), "first", LEASE)
    store.commit(claim, replace(outcome(1), notes={"seconds": None}))
    store.claim(run_id(spec(2)), "first", LEASE)
    assert store.status().eta_seconds is None


def test_when_all_is_done_no_time_is_left(store):
    assert store.status().eta_seconds == 0.0
    enqueue(store, "plan", (1, "theory"))
    put(store, 1)
    assert (store.status("plan").eta_seconds, store.status("plan").pending) == (0.0, 0)


def test_a_dead_claim_is_pending(store):
    enqueue(store, "plan", (1, "theory"))
    claim = store.claim(run_id(spec(1)), "first", LEASE)
    os.utime(claim.path, (time.time() - LEASE - 60,) * 2)
    assert (store.status().running, store.status().pending) == (0, 1)


def test_a_failed_run_that_is_tried_again(store):
    enqueue(store, "plan", (1, "theory"))
    id = run_id(spec(1))
    for error in ("first", "second"):
        store.fail(store.claim(id, "worker", LEASE), ValueError(error))
    assert store.status().errors == ((id, "ValueError: second"),)
    claim = store.claim(id, "worker", LEASE)
    assert (store.status().failed, store.status().running) == (0, 1)
    store.commit(claim, outcome(1))
    assert (store.status().failed, store.status().done, store.status().errors) == (0, 1, ())


def test_runs_that_no_plan_names_count_in_the_whole(store):
    put(store, 1)
    store.claim(run_id(spec(2)), "first", LEASE)
    found = store.status()
    assert (found.total, found.done, found.running, found.pending) == (2, 1, 1, 0)


def test_a_plan_that_is_not_there(store):
    with pytest.raises(InvalidInputError, match="plan: expected one of none, but found 'x'; name one"):
        store.status("x")
    enqueue(store, "a", (1, "theory"))
    enqueue(store, "b", (1, "theory"))
    with pytest.raises(InvalidInputError, match="plan: expected one of a, b, but found 'x'"):
        store.status("x")


def test_times_are_taken_from_a_sample(store, monkeypatch):
    monkeypatch.setattr(status, "_SAMPLE", 2)
    enqueue(store, "plan", *((number, "theory") for number in range(1, 6)))
    for number in range(1, 5):
        put(store, number)
    store.claim(run_id(spec(5)), "first", LEASE)
    first = sorted(run_id(spec(number)) for number in range(1, 5))[:2]
    seconds = [store.run(id).notes["seconds"] for id in first]
    assert store.status().eta_seconds == sum(seconds) / 2
