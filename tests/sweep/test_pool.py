"""A pool of processes that are killed, run out of work, meet errors, and are interrupted."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deepcollapse.store import Store, StoreError
from deepcollapse.sweep import Job, PoolLauncher, SerialLauncher, WorkersLostError, launch, plan
from deepcollapse.sweep.launcher import Losses
from deepcollapse.sweep.threads import cores, thread_share
from deepcollapse.sweep.worker import DEATHS
from sweep.small_plans import TESTS, broken_off, doomed, quick_runs, whole_table


def crew() -> list[multiprocessing.process.BaseProcess]:
    return [child for child in multiprocessing.active_children() if child.name.startswith("pool-")]


def killing(store: Store, *, total: int, kills: int, killed: list[int]) -> threading.Thread:
    """Kill random workers at random moments, spread over the sweep, by a seeded generator."""
    generator = random.Random(2)
    moments = sorted(generator.uniform(0.0, 0.8) * total for _ in range(kills))

    def kill() -> None:
        for moment in moments:
            while len(store.done()) < moment:
                time.sleep(0.01)
            time.sleep(generator.uniform(0, 0.02))
            if len(store.done()) < total and (alive := [child for child in crew() if child.is_alive()]):
                victim = generator.choice(alive)
                victim.kill()
                killed.append(victim.pid)

    return threading.Thread(target=kill)


@pytest.mark.parametrize(
    ("runs", "workers", "kills"),
    [(200, 3, 6), pytest.param(2000, 4, 20, marks=pytest.mark.slow)],
)
def test_killed_workers_lose_nothing_and_nothing_is_done_twice(runs: int, workers: int, kills: int, tmp_path: Path):
    found = plan(quick_runs(runs))
    store = Store.create(tmp_path / "killed")
    killed: list[int] = []
    killer = killing(store, total=runs, kills=kills, killed=killed)
    killer.start()
    status = launch(store, found, launcher=PoolLauncher(workers, threads=1))
    killer.join()
    assert len(killed) > kills / 2
    assert (status.total, status.done, status.failed, status.running) == (runs, runs, 0, 0)
    assert store.claimed() == {}

    reference = Store.create(tmp_path / "serial")
    launch(reference, found, launcher=SerialLauncher(threads=1))
    table = whole_table(store, found.ids)
    assert table.num_rows == runs
    assert table.equals(whole_table(reference, found.ids))
    assert crew() == []


def test_a_run_that_kills_its_workers_fails_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", TESTS)
    found = plan({"name": "poison", "parts": [doomed("deadly", "broken"), quick_runs(10)]})
    store = Store.create(tmp_path / "store")
    broken_off(store, found.parts[0].ids[0], times=DEATHS - 2)
    status = launch(store, found, launcher=PoolLauncher(2, threads=1))
    assert (status.done, status.failed, status.pending) == (10, 2, 0)
    deadly, broken = (store.failures(id) for id in found.parts[0].ids)
    assert f"the worker died {DEATHS} times (out of memory?)" in deadly[-1].error
    assert ["doomed" in failure.error for failure in broken] == [True, True]


def test_workers_that_end_abruptly_without_a_run_are_not_replaced_forever(tmp_path: Path):
    found = plan(quick_runs(3))
    store = Store.create(tmp_path / "store")
    store.enqueue(found.name, found.queued(), found.document)
    losses = Losses.of(Job(store=store.path, plan=found.name), workers=2)
    for number in range(2 * (DEATHS + 1)):
        losses.add(f"pool-{number}", "exit code -9")
    with pytest.raises(
        WorkersLostError, match=r"13 in a row ended abruptly.*pool-12, with exit code -9; look for what"
    ):
        losses.add("pool-12", "exit code -9")
    losses = Losses.of(Job(store=store.path, plan=found.name), workers=2)
    launch(store, found, launcher=SerialLauncher())
    for number in range(2 * (DEATHS + 1)):
        losses.add(f"pool-{number}", "exit code -9")


def test_an_error_of_a_worker_ends_the_launch(tmp_path: Path):
    found = plan(quick_runs(3))
    store = Store.create(tmp_path / "store")
    store.enqueue(found.name, found.queued(), found.document)
    (store.path / "claims").rmdir()
    (store.path / "claims").touch()
    with pytest.raises(StoreError, match="nothing that was finished is lost"):
        launch(store, found, launcher=PoolLauncher(2, threads=1))
    assert crew() == []


def test_workers_do_not_crowd_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", TESTS)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    store = Store.create(tmp_path / "store")
    launch(store, plan(doomed("recording", folder=tmp_path)), launcher=PoolLauncher(workers=1, threads=3))
    assert (tmp_path / "threads").read_text() == "3 3 3 3"
    assert os.environ["MKL_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert thread_share(1) == cores()
    assert thread_share(10**6) == 1
    assert thread_share(1, threads=5) == 5


def until(condition: Callable[[], bool]) -> None:
    for _ in range(30000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


LAUNCH = """
import json, sys
from pathlib import Path
from deepcollapse.store import Store
from deepcollapse.sweep import PoolLauncher, launch, plan
if __name__ == "__main__":
    document = json.loads(Path(sys.argv[2]).read_text())
    try:
        launch(Store.create(sys.argv[1]), plan(document), launcher=PoolLauncher(2, threads=1))
    except KeyboardInterrupt:
        sys.exit(7)
"""


def script(tmp_path: Path) -> subprocess.Popen:
    """A launch in a process group of its own, of two runs that take until told to go on."""
    file, slow = tmp_path / "launch.py", tmp_path / "plan.json"
    file.write_text(LAUNCH)
    slow.write_text(json.dumps({**doomed("slow", folder=tmp_path), "seeds": {"count": 2}}))
    environment = {**os.environ, "PYTHONPATH": TESTS}
    command = [sys.executable, str(file), str(tmp_path / "store"), str(slow)]
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE)


@pytest.mark.parametrize("how", ["ctrl-c", "sigkill of the launcher", pytest.param("sigterm", marks=pytest.mark.slow)])
def test_stopped_workers_give_their_runs_back_and_leave_no_process(how: str, tmp_path: Path):
    with script(tmp_path) as process:
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        workers = [int(file.name.removeprefix("begun-")) for file in tmp_path.glob("begun-*")]
        store = Store.open(tmp_path / "store")
        assert len(store.claimed()) == 2
        if how == "ctrl-c":  # the terminal tells the whole group
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM if how == "sigterm" else signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how.startswith("sigkill") else 7)
    assert errors == b""
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert store.claimed() == {}
    (tmp_path / "go").touch()
    found = plan(json.loads((tmp_path / "plan.json").read_text()))
    assert launch(store, found, launcher=SerialLauncher()).done == 2


UNGUARDED = """
from pathlib import Path
from deepcollapse.store import Store
from deepcollapse.sweep import PoolLauncher, launch, plan
with open(Path(__file__).with_name("starts"), "a") as file:
    file.write("x")
document = {"name": "few", "kind": "theory", "run": {"layers": 1}, "grid": {"classes": [3, 4]}}
launch(Store.create(Path(__file__).with_name("store")), plan(document), launcher=PoolLauncher(workers=1))
"""


def test_a_script_without_a_guard_is_told_at_the_first_end(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert 'put what the script does under if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert (tmp_path / "starts").read_text() == "xx"
