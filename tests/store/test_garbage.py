"""Tidying up removes what crashed workers left, and nothing that anyone needs."""

import os
import time
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Queued, Removed, Store, run_id
from store.oracle import LEASE, outcome, put, spec, tree

NOTHING = Removed(claims=(), staging=(), work=(), runs=(), failures=())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    store.enqueue("plan", [Queued(run_id(spec(number)), "part", spec(number)) for number in range(1, 4)], {})
    return store


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def left(store: Store, number: int) -> str:
    """What a worker leaves that was killed while it wrote its result, long ago."""
    id = run_id(spec(number))
    claim = store.claim(id, "killed", LEASE)
    (claim.work / "checkpoint").touch()
    part = store.path / "staging" / f"{id}-0123456789ab"
    part.mkdir()
    (part / "spec.json").write_text("{")
    age(claim.path, LEASE + 60)
    return id


def test_what_a_killed_worker_left(store):
    id = left(store, 1)
    expected = Removed(claims=(f"{id}.json",), staging=(f"{id}-0123456789ab",), work=(), runs=(), failures=())
    before = tree(store.path)
    assert store.gc(dry=True) == expected
    assert tree(store.path) == before
    assert store.gc() == expected
    assert store.gc() == NOTHING
    assert tree(store.path / "claims") == tree(store.path / "staging") == []
    assert (store.path / "work" / id / "checkpoint").exists()  # the next attempt goes on from it
    assert store.claim(id, "next", LEASE).held()


def test_what_a_living_worker_holds_stays(store):
    first = store.claim(run_id(spec(1)), "dead", LEASE)
    age(first.path, LEASE + 60)
    claim = store.claim(run_id(spec(1)), "alive", LEASE)
    (claim.work / "checkpoint").touch()
    part = store.path / "staging" / f"{claim.id}-0123456789ab"
    part.mkdir()
    age(part, 1e6)
    age(claim.work, 1e6)
    before = tree(store.path)
    assert store.gc(unplanned=True) == NOTHING
    assert tree(store.path) == before
    assert claim.held()


def test_many_dead_claims_of_a_run(store):
    id = run_id(spec(1))
    for _ in range(3):
        store.claim(id, "worker", LEASE).release()
    assert store.gc().claims == tuple(sorted((f"{id}.json", f"{id}-2.json", f"{id}-3.json")))
    assert tree(store.path / "claims") == tree(store.path / "work") == []
    assert store.claim(id, "worker", LEASE).number == 1


def test_what_is_left_of_finished_runs(store):
    id = left(store, 1)
    store.commit(store.claim(id, "second", LEASE), outcome(1))
    (store.path / "work" / id).mkdir()
    (store.path / "claims" / f"{id}.json").write_text("")
    found = store.gc()
    assert found == Removed(claims=(f"{id}.json",), staging=(f"{id}-0123456789ab",), work=(id,), runs=(), failures=())
    assert [tree(store.path / name) for name in ("claims", "staging", "work")] == [[], [], []]
    assert store.run(id).rows.num_rows == 1


def test_young_leftovers_of_no_known_claim_may_be_in_use(store):
    names = [f"{run_id(spec(1))}-0123456789ab", "clock-0123456789ab", "table-0123456789ab", "stranger"]
    for name in names[:1]:
        (store.path / "staging" / name).mkdir()
    for name in names[1:]:
        (store.path / "staging" / name).touch()
    assert store.gc() == NOTHING
    for name in names:
        age(store.path / "staging" / name, 601)
    assert store.gc().staging == tuple(sorted(names))
    assert tree(store.path / "staging") == []


def test_a_file_that_another_worker_is_about_to_link_stays(store):
    id = left(store, 1)
    (store.path / "staging" / f"{id}-2-0123456789ab").touch()
    assert store.gc().staging == (f"{id}-0123456789ab",)
    assert tree(store.path / "staging") == [f"{id}-2-0123456789ab"]


def test_a_run_that_was_claimed_meanwhile_is_left_alone(store, monkeypatch):
    id = left(store, 1)
    claims = []
    monkeypatch.setattr(
        "deepcollapse.store.garbage._remove_runs", lambda *_: claims.append(store.claim(id, "quick", LEASE))
    )
    store.gc()
    assert claims[0].held()


def test_runs_that_no_plan_names(store):
    kept, gone = put(store, 1), put(store, 9)
    store.fail(store.claim(run_id(spec(8)), "worker", LEASE), ValueError("no"))
    (store.path / "work" / run_id(spec(7))).mkdir()
    store.compact()
    assert store.gc(dry=True).runs == ()
    found = store.gc(dry=True, unplanned=True)
    assert (found.runs, found.failures) == ((gone,), (f"{run_id(spec(8))}-1.json",))
    assert found.work == (run_id(spec(7)),)
    assert store.done() == {kept, gone}
    assert store.gc(unplanned=True) == found
    assert store.done() == {kept}
    assert set(store.table()["run"].to_pylist()) == {kept}
    assert [tree(store.path / name) for name in ("claims", "staging", "work", "failures")] == [[], [], [], []]
    assert store.compact() == 1
    again = put(store, 9)
    assert store.compact() == 1
    assert again in store.table()["run"].to_pylist()


def test_a_planned_failure_stays(store):
    store.fail(store.claim(run_id(spec(1)), "worker", LEASE), ValueError("no"))
    assert store.gc(unplanned=True).failures == ()
    assert store.status().failed == 1


def test_without_a_plan_nothing_is_unplanned(tmp_path):
    store = Store.create(tmp_path / "empty")
    put(store, 1)
    message = (
        rf"unplanned: expected a plan that names the runs to keep, but found none in {store.path}; to be rid of all"
    )
    with pytest.raises(InvalidInputError, match=message):
        store.gc(unplanned=True)
    assert len(store.done()) == 1
    assert store.gc() == NOTHING


def test_it_is_json(store):
    left(store, 1)
    found = store.gc(dry=True).as_json()
    assert list(found) == ["claims", "staging", "work", "runs", "failures"]
    assert len(found["claims"]) == len(found["staging"]) == 1
