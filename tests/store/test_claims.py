"""Claims: of any number of workers exactly one holds a run, and none holds a run that is done."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import ClaimLostError, Store, claim_files, claims, run_id
from deepcollapse.store.process import machine
from store.oracle import LEASE, outcome, put, python, spec

RUN = run_id(spec(1))
linux = pytest.mark.skipif(machine() is None, reason="the system does not tell processes apart")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def claim_file(store: Store, number: int = 1) -> Path:
    return store.path / "claims" / (f"{RUN}.json" if number == 1 else f"{RUN}-{number}.json")


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_one_worker_at_a_time(store):
    claim = store.claim(RUN, "first", LEASE)
    assert store.claim(RUN, "second", LEASE) is None
    assert (claim.attempt, claim.worker, claim.held(), claim.renew()) == (1, "first", True, True)
    assert claim.work == store.path / "work" / RUN
    assert claim.work.is_dir()
    assert list((store.path / "staging").iterdir()) == []


def test_a_claim_says_who_made_it(store):
    store.claim(RUN, "first", LEASE)
    found = json.loads(claim_file(store).read_text())
    assert {"worker": "first", "pid": os.getpid(), "attempt": 1, "lease": LEASE}.items() <= found.items()
    state = store.claimed()[RUN]
    assert (state.worker, state.pid, state.attempt, state.lease, state.alive) == ("first", os.getpid(), 1, LEASE, True)
    assert 0 <= state.age + 0.1 < LEASE


def test_a_run_that_is_done_is_not_claimed(store):
    put(store, 1)
    assert store.claim(RUN, "second", LEASE) is None
    assert list((store.path / "claims").iterdir()) == []


def test_done_between_looking_and_claiming(store, monkeypatch):
    """Another worker ends the run just before this one's claim appears."""
    put_new = claims.put_new

    def late(path, content, **settings):
        monkeypatch.setattr(claims, "put_new", put_new)
        put(store, 1)
        return put_new(path, content, **settings)

    monkeypatch.setattr(claims, "put_new", late)
    assert store.claim(RUN, "late", LEASE) is None
    assert list((store.path / "claims").iterdir()) == []


def test_given_back(store):
    claim = store.claim(RUN, "first", LEASE)
    (claim.work / "checkpoint").touch()
    claim.release()
    assert (claim.held(), claim.renew(), store.claimed()) == (False, False, {})
    again = store.claim(RUN, "second", LEASE)
    assert (again.number, again.attempt, again.held()) == (2, 1, True)  # nothing went wrong
    assert (again.work / "checkpoint").exists()
    claim.release()
    assert again.held()


def test_an_empty_work_folder_goes_with_the_claim(store):
    claim = store.claim(RUN, "first", LEASE)
    claim.release()
    assert not claim.work.exists()


def test_without_renewal_a_claim_is_taken_over(store):
    first = store.claim(RUN, "first", LEASE)
    age(claim_file(store), LEASE - 60)
    assert store.claim(RUN, "second", LEASE) is None
    age(claim_file(store), LEASE + 60)
    assert not store.claimed()[RUN].alive
    second = store.claim(RUN, "second", LEASE)
    assert (second.attempt, second.held(), first.held(), first.renew()) == (2, True, False, False)
    first.release()
    assert store.claimed()[RUN].worker == "second"
    assert store.claim(RUN, "third", LEASE) is None


def test_the_lease_is_the_one_that_the_holder_asked_for(store):
    store.claim(RUN, "first", 10.0)
    age(claim_file(store), 60)
    assert store.claim(RUN, "second", 3600.0).attempt == 2


def test_an_expired_claim_that_no_one_took_lives_on(store):
    claim = store.claim(RUN, "first", LEASE)
    age(claim_file(store), LEASE + 60)
    assert claim.renew()
    assert store.claim(RUN, "second", LEASE) is None


def test_the_clock_is_that_of_the_disk(store, monkeypatch):
    """A machine whose clock is a day ahead does not take claims over."""
    store.claim(RUN, "first", LEASE)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 86_400)
    assert store.claim(RUN, "second", LEASE) is None


@linux
def test_a_killed_worker_is_followed_at_once(store):
    code = """
import os, sys
from deepcollapse.store import Store
assert Store.open(sys.argv[1]).claim(sys.argv[2], "child", 1e6)
os.kill(os.getpid(), 9)
"""
    python(code, store.path, RUN, kill=True)
    assert store.claimed()[RUN].worker == "child"
    assert not store.claimed()[RUN].alive
    assert store.claim(RUN, "second", LEASE).attempt == 2


@linux
def test_the_number_of_a_dead_process_may_be_given_again(store):
    store.claim(RUN, "first", LEASE)
    found = json.loads(claim_file(store).read_text())
    claim_file(store).write_text(json.dumps(found | {"began": found["began"] - 1}))
    assert store.claim(RUN, "second", LEASE).attempt == 2


def test_other_machines_have_other_processes(store):
    store.claim(RUN, "first", LEASE)
    found = json.loads(claim_file(store).read_text())
    claim_file(store).write_text(json.dumps(found | {"machine": "elsewhere", "pid": 2**22 + 1, "began": 1}))
    assert store.claim(RUN, "second", LEASE) is None


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"[]", b'{"worker": 1}', b"null"])
def test_what_a_power_failure_left_of_a_claim_is_dead(store, content):
    claim_file(store).write_bytes(content)
    assert store.claimed()[RUN].alive is False
    assert store.claim(RUN, "second", LEASE).attempt == 2


def test_attempts_go_on_counting_after_failures(store):
    for attempt in (1, 2, 3):
        claim = store.claim(RUN, f"worker {attempt}", LEASE)
        assert claim.attempt == attempt
        store.fail(claim, ValueError(f"attempt {attempt}"))
    store.gc()
    assert list((store.path / "claims").iterdir()) == []
    assert store.claim(RUN, "worker", LEASE).attempt == 4
    assert [failure.error for failure in store.failures(RUN)] == [f"ValueError: attempt {n}" for n in (1, 2, 3)]


def test_attempts_count_what_failed_or_died(store):
    store.claim(RUN, "stopped", LEASE).release()
    age(store.claim(RUN, "died", LEASE).path, LEASE + 60)
    store.claim(RUN, "stopped", LEASE).release()
    store.fail(store.claim(RUN, "failed", LEASE), ValueError("no"))
    store.claim(RUN, "stopped", LEASE).release()
    assert store.claim(RUN, "last", LEASE).attempt == 3
    assert [failure.attempt for failure in store.failures(RUN)] == [2]


def test_the_loser_of_a_takeover_leaves_it(store, monkeypatch):
    """Two find the same claim dead; the second one slept before it made its own."""
    store.claim(RUN, "first", LEASE)
    age(claim_file(store), LEASE + 60)
    made, winners = claims._made, []

    def slept(*arguments, **settings):
        monkeypatch.setattr(claims, "_made", made)
        winners.append(store.claim(RUN, "quick", LEASE))
        return made(*arguments, **settings)

    monkeypatch.setattr(claims, "_made", slept)
    assert store.claim(RUN, "slow", LEASE) is None
    assert winners[0].held()


def test_tidied_up_between_looking_and_claiming(store, monkeypatch):
    """While one sleeps before it takes a dead claim over, gc removes it and another one claims the run anew."""
    store.claim(RUN, "first", LEASE)
    age(claim_file(store), LEASE + 60)
    made, winners = claims._made, []

    def slept(*arguments, **settings):
        monkeypatch.setattr(claims, "_made", made)
        store.gc()
        winners.append(store.claim(RUN, "quick", LEASE))
        return made(*arguments, **settings)

    monkeypatch.setattr(claims, "_made", slept)
    assert store.claim(RUN, "slow", LEASE) is None
    assert winners[0].held()
    assert list((store.path / "claims").iterdir()) == [claim_file(store)]


def test_a_claim_without_a_work_folder_is_none(store, monkeypatch):
    mkdir = Path.mkdir

    def full(path, *arguments, **settings):
        if path.parent.name == "work":
            raise OSError(28, "No space left on device")
        mkdir(path, *arguments, **settings)

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match="No space left on device; free some space"):
        store.claim(RUN, "first", LEASE)
    monkeypatch.undo()
    assert store.claim(RUN, "second", LEASE).attempt == 1


def test_a_lost_claim_does_not_commit(store):
    first = store.claim(RUN, "first", LEASE)
    age(claim_file(store), LEASE + 60)
    second = store.claim(RUN, "second", LEASE)
    with pytest.raises(ClaimLostError, match=r"expected first to hold run \w+, but found it done, given back or taken"):
        store.commit(first, outcome(1))
    assert store.done() == set()
    store.commit(second, outcome(1))
    with pytest.raises(ClaimLostError):
        store.commit(second, outcome(1))
    assert store.done() == {RUN}


def test_two_who_believe_to_hold_a_run_do_not_both_commit(store, monkeypatch):
    """Even if nothing but the last step, the rename, stood between them."""
    first = store.claim(RUN, "first", LEASE)
    age(claim_file(store), LEASE + 60)
    second = store.claim(RUN, "second", LEASE)
    monkeypatch.setattr(claims.Claim, "held", lambda claim: True)
    store.commit(first, outcome(1))
    with pytest.raises(ClaimLostError):
        store.commit(second, outcome(1))
    assert list((store.path / "staging").iterdir()) == []
    assert store.run(RUN).document == {"loss": 1}


@pytest.mark.parametrize("lease", [0.0, -1.0, float("nan"), float("inf")])
def test_a_lease_is_positive(store, lease):
    with pytest.raises(InvalidInputError, match=f"lease: expected a number of seconds > 0, but found {lease}; 120"):
        store.claim(RUN, "first", lease)


@pytest.mark.parametrize("id", ["", "0123456789abcde", "0123456789abcdeF", "../../etc/passwd", "0123456789abcdef\n"])
def test_ids_are_ids(store, id):
    with pytest.raises(InvalidInputError, match="id: expected 16 hexadecimal digits, but found "):
        store.claim(id, "first", LEASE)


RACER = """
import sys, time
from pathlib import Path
from deepcollapse.store import Store
from store.oracle import outcome, spec
from deepcollapse.store import run_id
store, name, runs, mode = Store.open(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
Path(sys.argv[5], name).touch()
while not Path(sys.argv[5], "go").exists():
    time.sleep(0.001)
for number in range(1, runs + 1):
    claim = store.claim(run_id(spec(number)), name, 600.0)
    if claim:
        print(number, claim.attempt, flush=True)
        if mode == "commit":
            store.commit(claim, outcome(number % 5))
time.sleep(0 if mode == "commit" else 600)
"""


def race(store: Store, folder: Path, *, workers: int, runs: int, mode: str) -> list[list[tuple[int, int]]]:
    """What each of so many processes won that all began at once: numbers of runs and attempts."""
    folder.mkdir()
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    arguments = [str(runs), mode, str(folder)]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(store.path), f"w{index}", *arguments],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(workers)
    ]
    try:
        while len(list(folder.iterdir())) < workers:
            assert all(racer.poll() is None for racer in racers)
            time.sleep(0.01)
        (folder / "go").touch()
        if mode == "hold":
            while sum(state.alive for state in store.claimed().values()) < runs:
                time.sleep(0.05)
            for racer in racers:
                racer.kill()
        found = [racer.communicate(timeout=100)[0].splitlines() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
    return [[(int(line.split()[0]), int(line.split()[1])) for line in lines] for lines in found]


def test_a_race_for_runs_has_one_winner_each(store, tmp_path):
    runs, workers = 15, 4
    won = race(store, tmp_path / "first", workers=workers, runs=runs, mode="commit")
    assert Counter(number for lines in won for number, _ in lines) == dict.fromkeys(range(1, runs + 1), 1)
    assert store.done() == {run_id(spec(number)) for number in range(1, runs + 1)}
    assert list((store.path / "claims").iterdir()) == []
    assert list((store.path / "staging").iterdir()) == []


@linux
def test_a_race_for_dead_claims_has_one_winner_each(store, tmp_path):
    """All who hold runs are killed; of those who come after them one takes each run over."""
    runs, workers = 8, 3
    for attempt, mode in enumerate(("hold", "commit"), start=1):
        won = race(store, tmp_path / str(attempt), workers=workers, runs=runs, mode=mode)
        assert sorted(pair for lines in won for pair in lines) == [(number, attempt) for number in range(1, runs + 1)]
    assert len(store.done()) == runs


def test_states_are_in_the_order_of_claims(store):
    for worker in ("first", "second", "third"):
        store.claim(RUN, worker, LEASE).release()
    assert [number for _, number, _ in claim_files.claim_states(store.path)] == [1, 2, 3]
