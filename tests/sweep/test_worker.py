"""The worker loop, in this process: what it does with runs that fail, that others hold, and that broke workers."""

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deepcollapse import __version__
from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.run_kinds import run_spec
from deepcollapse.store import Store, StoreError
from deepcollapse.sweep import Plan, plan, work, worker
from deepcollapse.sweep.worker import DEATHS
from sweep.small_plans import broken_off, doomed, of_every_kind, quick_runs, whole_table

Meddle = Callable[[Path, Callable[[int, int], None]], None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def queued(store: Store, document: dict[str, Any]) -> Plan:
    found = plan(document)
    store.enqueue(found.name, found.queued(), found.document)
    return found


def meddle(monkeypatch: pytest.MonkeyPatch, before: Callable[[dict[str, Any], Path, Callable], None]) -> None:
    """Have something happen before each run's computation, given its spec, folder and progress callback."""

    class Meddled:
        def __init__(self, document: dict[str, Any]):
            self.document = document

        def result(self, folder: Path, progress: Callable[[int, int], None]):
            before(self.document, folder, progress)
            return run_spec(self.document).result(folder, progress)

    monkeypatch.setattr(worker, "run_spec", Meddled)


def test_a_worker_does_every_run_once_and_again_nothing(store: Store):
    found = queued(store, of_every_kind())
    seen = []
    report = work(store.path, plan=found.name, worker="a", progress=lambda *state: seen.append(state))
    total = len(found.ids)
    assert (report.done, report.failed, report.skipped) == (total, 0, 0)
    assert seen == [(number, total) for number in range(1, total + 1)]
    before = whole_table(store, found.ids)
    assert {store.run(id).notes["version"] for id in found.ids} == {__version__}
    report = work(store.path, plan=found.name, worker="b")
    assert (report.done, report.failed, report.skipped) == (0, 0, total)
    assert whole_table(store, found.ids).equals(before)
    assert store.claimed() == {}


def test_workers_differ_in_order_and_begin_with_what_takes_long():
    runs = plan(of_every_kind()).queued()
    one, other = (worker._in_own_order(runs, name) for name in ("a", "b"))
    kinds = [run.spec["kind"] for run in one]
    assert kinds == sorted(kinds)  # landscape, simulate, theory
    assert one != other
    assert [run.id for run in one] == [run.id for run in worker._in_own_order(runs, "a")]


def test_it_ends_after_so_many_runs(store: Store):
    found = queued(store, quick_runs(5))
    assert work(store.path, plan=found.name, worker="a", stop_after=2).done == 2
    assert len(store.done()) == 2


def test_a_failed_run_is_tried_once_more_and_the_others_go_on(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(4))
    bad = found.parts[0].runs[1].as_json()
    tried = []

    def fail(document: dict[str, Any], folder: Path, _: Callable) -> None:
        if document == bad:
            tried.append(sorted(file.name for file in folder.iterdir()))
            (folder / "leftover").touch()
            raise ArithmeticError("on purpose")

    meddle(monkeypatch, fail)
    report = work(store.path, plan=found.name, worker="a")
    assert (report.done, report.failed) == (3, 2)
    assert tried == [[], ["leftover"]]  # the second attempt goes on with what the first one kept
    assert not (store.path / "work" / found.ids[1]).exists()  # and one that is asked for after both begins anew
    first, second = store.failures(found.ids[1])
    assert first.error == second.error == "ArithmeticError: on purpose"
    assert "in fail" in second.traceback
    status = store.status(found.name)
    assert (status.done, status.failed, status.pending) == (3, 1, 0)
    assert work(store.path, plan=found.name, worker="b").failed == 0
    assert len(tried) == 2

    monkeypatch.undo()
    forgiven = {found.ids[1]: second.attempt}
    assert work(store.path, plan=found.name, worker="b", forgiven=forgiven).done == 1
    whole_table(store, found.ids)


def test_the_second_attempt_may_succeed(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(3))
    attempts: list[str] = []

    def fail_at_first(_: dict[str, Any], folder: Path, __: Callable) -> None:
        attempts.append(folder.name)
        if attempts.count(folder.name) == 1:
            raise ArithmeticError("not yet")

    meddle(monkeypatch, fail_at_first)
    report = work(store.path, plan=found.name, worker="a")
    assert (report.done, report.failed) == (3, 3)
    assert {attempts.count(id) for id in found.ids} == {2}
    whole_table(store, found.ids)


@pytest.mark.parametrize(
    "trouble",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EROFS, os.strerror(errno.EROFS)),
        RuntimeError("writing x: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_stops_the_worker_and_is_no_failure_of_the_run(
    trouble: Exception, store: Store, monkeypatch: pytest.MonkeyPatch
):
    found = queued(store, quick_runs(3))

    def fill_up(*_: object) -> None:
        try:
            raise trouble
        except Exception:
            raise InvalidInputError("keep: cannot be written") from None

    meddle(monkeypatch, fill_up)
    with pytest.raises(StoreError, match=r"free some space on that disk.*nothing that was finished is lost"):
        work(store.path, plan=found.name, worker="a")
    assert store.status(found.name).failed == 0
    monkeypatch.undo()
    assert work(store.path, plan=found.name, worker="b").done == 3


def test_runs_of_others_are_waited_for_and_taken_over_from_the_dead(store: Store):
    found = queued(store, quick_runs(2))
    sleeping = store.claim(found.ids[0], "sleeper", 0.5)
    dying = store.claim(found.ids[1], "other", 3600.0)
    assert sleeping
    assert dying
    later = threading.Timer(0.2, dying.release)
    later.start()
    assert work(store.path, plan=found.name, worker="a").done == 2
    later.join()
    assert not sleeping.renew()
    whole_table(store, found.ids)


def test_a_claim_is_renewed_as_long_as_the_run_takes(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(1))
    ages = []

    def wait(*_: object) -> None:
        for _ in range(5):
            time.sleep(0.2)
            ages.append(store.claimed()[found.ids[0]])

    meddle(monkeypatch, wait)
    assert work(store.path, plan=found.name, worker="a", lease=0.6).done == 1
    assert all(state.age <= state.lease and state.worker == "a" for state in ages)


def test_a_run_that_was_taken_over_is_broken_off(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(1))
    taker = []

    def lose(_: dict[str, Any], __: Path, progress: Callable[[int, int], None]) -> None:
        if not taker:
            for file in (store.path / "claims").iterdir():
                os.utime(file, (1, 1))
            taker.append(store.claim(found.ids[0], "taker", 60.0))
            while True:
                time.sleep(0.05)
                progress(0, 1)

    meddle(monkeypatch, lose)

    def give_back() -> None:
        taker[0].release()

    later = threading.Timer(1.0, give_back)
    later.start()
    report = work(store.path, plan=found.name, worker="a", lease=0.4)
    later.join()
    assert (report.done, report.failed) == (1, 0)
    assert store.failures(found.ids[0]) == []


def test_an_error_in_a_run_that_was_taken_over_counts_for_nothing(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(1))
    taken, kept = [], []

    def lose(_: dict[str, Any], folder: Path, __: Callable) -> None:
        kept.append((folder / "checkpoint").exists())
        if not taken:
            for file in (store.path / "claims").iterdir():
                os.utime(file, (1, 1))
            taken.append(store.claim(found.ids[0], "taker", 60.0))
            (folder / "checkpoint").touch()
            threading.Timer(0.3, taken[0].release).start()
            raise ArithmeticError("two in one folder")

    meddle(monkeypatch, lose)
    report = work(store.path, plan=found.name, worker="a")
    assert (report.done, report.failed, kept) == (1, 0, [False, True])
    assert store.failures(found.ids[0]) == []


def test_a_training_that_another_process_is_still_at_is_left_to_it(store: Store):
    """As when a claim ran out while its machine slept."""
    fcntl = pytest.importorskip("fcntl")
    found = queued(store, doomed("plain"))
    folder = store.path / "work" / found.ids[0] / "training"
    folder.mkdir(parents=True)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    threading.Timer(1.0, os.close, (other,)).start()
    report = work(store.path, plan=found.name, worker="a")
    assert (report.done, report.failed) == (1, 0)
    assert store.failures(found.ids[0]) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_run_back(number: signal.Signals, store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(3))
    handler = signal.getsignal(number)

    def interrupt(*_: object) -> None:
        if len(store.done()) == 1:
            os.kill(os.getpid(), number)
            time.sleep(5)

    meddle(monkeypatch, interrupt)
    for _ in range(DEATHS + 2):  # however often: it is no death
        with pytest.raises(KeyboardInterrupt):
            work(store.path, plan=found.name, worker="a")
        assert store.claimed() == {}
    assert signal.getsignal(number) is handler
    monkeypatch.undo()
    assert work(store.path, plan=found.name, worker="b").done == 2
    assert store.status(found.name).failed == 0


def test_it_can_be_asked_to_stop(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(3))
    with pytest.raises(KeyboardInterrupt):
        work(store.path, plan=found.name, worker="a", stop=lambda: len(store.done()) == 1)
    assert len(store.done()) == 1

    def work_on(_: dict[str, Any], __: Path, progress: Callable[[int, int], None]) -> None:
        asked.set()
        while True:
            time.sleep(0.05)
            progress(0, 1)

    asked = threading.Event()
    meddle(monkeypatch, work_on)
    with pytest.raises(KeyboardInterrupt):
        work(store.path, plan=found.name, worker="a", lease=0.4, stop=asked.is_set)
    assert store.claimed() == {}


def test_a_run_that_broke_several_workers_counts_as_failed(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(2))
    broken_off(store, found.ids[0], times=DEATHS)
    checkpoint = store.path / "work" / found.ids[0] / "checkpoint"
    checkpoint.touch()
    begun = []
    meddle(monkeypatch, lambda document, *_: begun.append(document))
    report = work(store.path, plan=found.name, worker="a")
    assert (report.done, len(begun)) == (1, 1)
    assert "the worker died 5 times (out of memory?)" in store.failures(found.ids[0])[-1].error
    assert store.status(found.name).failed == 1
    assert checkpoint.exists()
    forgiven = {found.ids[0]: store.failures(found.ids[0])[-1].attempt}
    assert work(store.path, plan=found.name, worker="b", forgiven=forgiven).done == 1


def test_it_computes_with_so_many_threads(store: Store, monkeypatch: pytest.MonkeyPatch):
    found = queued(store, quick_runs(1))
    seen = []
    before = torch.get_num_threads()
    meddle(monkeypatch, lambda *_: seen.append(torch.get_num_threads()))
    work(store.path, plan=found.name, worker="a", threads=before + 1)
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_an_unknown_plan_names_those_there_are(store: Store):
    with pytest.raises(InvalidInputError, match="plan: expected one of none, but found 'p'; name one of them"):
        work(store.path, plan="p", worker="a")
