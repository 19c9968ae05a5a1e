"""One contract: whoever launches, the same plan gives the same table."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import distributed
import pyarrow as pa
import pytest

from deepcollapse.errors import InvalidInputError, MissingExtraError
from deepcollapse.store import Store, StoreError
from deepcollapse.sweep import (
    DaskLauncher,
    Launcher,
    PoolLauncher,
    SerialLauncher,
    SlurmLauncher,
    ends,
    launch,
    plan,
    slurm,
)
from deepcollapse.sweep import launcher as launcher_module
from deepcollapse.sweep.worker import DEATHS
from sweep.small_plans import RUN, TESTS, broken_off, doomed, of_every_kind, quick_runs, whole_table

LAUNCHERS = {
    "serial": SerialLauncher(threads=1),
    "pool": PoolLauncher(workers=2, threads=1),
    "dask": DaskLauncher(workers=2, threads=1),
    "slurm, local": SlurmLauncher(workers=2, cluster="local"),
    "slurm, debug": SlurmLauncher(workers=2, cluster="debug"),
}
ELSEWHERE = ["dask", pytest.param("slurm, local", marks=pytest.mark.slow)]  # for the pool see test_pool.py

# submitit's executor "debug" leaves the log files that it opens to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file <_io.TextIOWrapper name='.*/DEBUG_.*:ResourceWarning")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", TESTS)


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest) -> Launcher:
    return LAUNCHERS[request.param]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    found = plan(of_every_kind())
    store = Store.create(tmp_path_factory.mktemp("reference") / "store")
    launch(store, found, launcher=SerialLauncher(threads=1))
    return whole_table(store, found.ids)


def test_it_does_the_plan(launcher: Launcher, expected: pa.Table, tmp_path: Path):
    assert isinstance(launcher, Launcher)
    found = plan(of_every_kind())
    store = Store.create(tmp_path / "store")
    seen: list[tuple[int, int, int]] = []
    status = launch(store, found, launcher=launcher, progress=lambda *state: seen.append((*state[:2], state[2].total)))
    total = len(found.ids)
    assert (status.plan, status.total, status.done, status.failed) == (found.name, total, total, 0)
    assert seen == sorted(seen)
    assert seen[-1] == (total, total, 10)  # seeds of both kinds of width
    assert whole_table(store, found.ids).equals(expected)
    if launcher.name == "serial":  # that nothing is done twice is up to the worker, not to who launches it
        assert launch(store, found, launcher=launcher).done == total
        assert whole_table(store, found.ids).equals(expected)


def test_ends_are_counted_as_runs_end_and_no_run_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store, found, read, seen = Store.create(tmp_path / "store"), plan(quick_runs(5)), [], []
    monkeypatch.setattr(launcher_module, "_LOOK", 0.001)
    monkeypatch.setattr(launcher_module, "ends", lambda store, ids: read.extend(ids) or ends(store, ids))
    launch(store, found, launcher=SerialLauncher(), progress=lambda *state: seen.append(state))
    assert [counts.total for _, _, counts in seen] == [done for done, _, _ in seen]  # a seed a run
    assert seen[-1] == (5, 5, ends(store))
    assert sorted(read) == sorted(found.ids)

    (store.path / "runs" / found.ids[0] / "rows.parquet").write_bytes(b"damaged")
    monkeypatch.setattr(launcher_module, "_AT_ONCE", 2)
    launch(store, found, launcher=SerialLauncher(), progress=lambda *state: seen.append(state))
    assert seen[-1][:2] == (5, 5)
    assert seen[-1][2].total <= 4  # what can be read, and a few runs at a time


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_worker_that_dies_is_replaced(name: str, tmp_path: Path):
    found = plan({"name": "poison", "parts": [doomed("deadly"), quick_runs(5)]})
    store = Store.create(tmp_path / "store")
    broken_off(store, found.parts[0].ids[0], times=DEATHS - 1)
    status = launch(store, found, launcher=LAUNCHERS[name])
    assert (status.done, status.failed) == (5, 1)
    assert f"the worker died {DEATHS} times" in status.errors[0][1]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_interrupt_stops_all_workers_and_gives_their_runs_back(name: str, tmp_path: Path):
    endless = {**RUN, "lr": 1e-3, "engine": "torch", "steps_max": 10**9, "decay": 1e-4, "tolerance": 1e-12}
    found = plan({"name": "endless", "kind": "simulate", "run": endless, "seeds": {"count": 2, "block": 1}})
    store = Store.create(tmp_path / "store")
    begun = [store.path / "work" / id / "ended.jsonl" for id in found.ids]
    over: list[bool] = []

    def interrupt() -> None:
        until(lambda: bool(over) or all(file.exists() for file in begun))
        if not over:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            launch(store, found, launcher=LAUNCHERS[name])
    finally:
        over.append(True)
        thread.join()
    status = store.status(found.name)
    assert (status.running, status.failed, status.pending) == (0, 0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dask", "slurm, local"])
def test_an_error_of_a_worker_ends_the_launch(name: str, tmp_path: Path):
    found = plan(quick_runs(2))
    store = Store.create(tmp_path / "store")
    (store.path / "claims").rmdir()
    (store.path / "claims").touch()
    with pytest.raises(StoreError, match="nothing that was finished is lost"):
        launch(store, found, launcher=LAUNCHERS[name])


def test_dask_workers_elsewhere(expected: pa.Table, tmp_path: Path):
    """A scheduler that stays, with threads for workers: tasks run beside each other in one process."""
    found = plan(of_every_kind())
    store = Store.create(tmp_path / "store")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        launch(store, found, launcher=DaskLauncher(address=cluster.scheduler_address, workers=2, threads=1))
        assert cluster.status.name == "running"
    assert whole_table(store, found.ids).equals(expected)


@pytest.mark.slow
def test_a_preempted_slurm_job_gives_its_run_back_and_is_queued_again(tmp_path: Path):
    found = plan(doomed("slow", folder=tmp_path))
    store = Store.create(tmp_path / "store")

    def preempt() -> None:
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 1)
        (begun,) = tmp_path.glob("begun-*")
        os.kill(int(begun.name.removeprefix("begun-")), signal.SIGUSR2)
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        attempts.append(store.claimed()[found.ids[0]].attempt)
        (tmp_path / "go").touch()

    attempts: list[int] = []
    thread = threading.Thread(target=preempt)
    thread.start()
    assert launch(store, found, launcher=SlurmLauncher(workers=1, cluster="local")).done == 1
    thread.join()
    assert attempts == [1]


def test_slurm_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = {}
    executor = type("Executor", (), {"update_parameters": lambda _, **options: given.update(options)})

    def auto(folder: Path, **options: object) -> object:
        given.update(options, folder=folder)
        return executor()

    import submitit

    monkeypatch.setattr(submitit, "AutoExecutor", auto)
    launcher = SlurmLauncher(workers=7, threads=3, hours=1.5, memory=4.0, partition="gpu", options={"account": "me"})
    launcher._executor(submitit, tmp_path)
    assert given == {
        "folder": tmp_path,
        "cluster": "slurm",
        "slurm_max_num_timeout": 10**6,
        "name": "deepcollapse",
        "timeout_min": 90,
        "cpus_per_task": 3,
        "mem_gb": 4.0,
        "slurm_partition": "gpu",
        "slurm_array_parallelism": 7,
        "slurm_account": "me",
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoolLauncher(workers=-1), "workers: expected a number >= 1, or 0 for the default, but found -1"),
        (lambda: DaskLauncher(workers=-2), "workers: expected a number >= 1, or 0 for the default, but found -2"),
        (lambda: SlurmLauncher(workers=-3), "workers: expected a number >= 1, or 0 for the default, but found -3"),
        (lambda: SerialLauncher(threads=0), "threads: expected a number >= 1, but found 0"),
    ],
)
def test_numbers_of_workers_and_threads(make: Callable[[], Launcher], message: str):
    with pytest.raises(InvalidInputError, match=message):
        make()


@pytest.mark.parametrize(
    ("launcher", "message"),
    [
        (SlurmLauncher(), "slurm: expected a cluster that takes the jobs, but found: .*slurm cluster"),
        (SlurmLauncher(cluster="local", options={"acount": "me"}), "slurm: expected .* Unknown argument 'acount'"),
        (
            DaskLauncher(address="tcp://127.0.0.1:1"),
            "address: expected a Dask scheduler with workers, but found none at",
        ),
        (DaskLauncher(address="nowhere://"), "address: expected a Dask scheduler with workers, but found none at"),
    ],
)
def test_clusters_that_are_not_there(launcher: Launcher, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "PATH", "")
    monkeypatch.setattr("deepcollapse.sweep.dask._CONNECTING", 1.0)
    found = plan(quick_runs(2))
    with pytest.raises(InvalidInputError, match=message):
        launch(Store.create(tmp_path / "store"), found, launcher=launcher)


@pytest.mark.parametrize(("kind", "module"), [(DaskLauncher, "distributed"), (SlurmLauncher, "submitit")])
def test_a_missing_extra_is_named_before_anything_is_made(kind: type, module: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, None)
    name = kind.__name__.removesuffix("Launcher").lower()
    with pytest.raises(MissingExtraError, match=rf"expected {module} .*python -m pip install .*\[{name}\]"):
        kind()


def test_a_lease_that_is_none(tmp_path: Path):
    found = plan(quick_runs(2))
    with pytest.raises(InvalidInputError, match="lease: expected seconds > 0, but found 0; 120 is usual"):
        launch(Store.create(tmp_path / "store"), found, launcher=SerialLauncher(), lease=0.0)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(30000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize(
    ("script", "gone"),
    [
        ("echo 7_0; echo 8", ["7_1"]),
        ("exit 0", ["7_0", "7_1", "8"]),
        ("echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", ["7_0", "7_1", "8"]),
        ("echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1", []),
        (None, []),
    ],
)
def test_without_accounting_the_queue_says_which_jobs_are_gone(tmp_path: Path, monkeypatch, script, gone):
    if script is not None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "squeue").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path) if script is None else f"{tmp_path}:/bin:/usr/bin")
    jobs = [SimpleNamespace(job_id=id) for id in ("7_0", "7_1", "8")]
    assert [job.job_id for job in slurm._vanished(jobs)] == gone
    assert slurm._vanished([]) == []
