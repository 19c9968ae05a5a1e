"""Workers that are killed at any moment, again and again, while others work and one tidies up."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from deepcollapse.store import Queued, Store, run_id
from deepcollapse.store.process import machine
from store.oracle import rows_of_all, spec

WORKER = """
import sys
from deepcollapse.store import ClaimLostError, Store, run_id
from store.oracle import outcome, spec
store, runs, log = Store.open(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
while len(store.done()) < runs:
    for number in range(1, runs + 1):
        claim = store.claim(run_id(spec(number)), log, 1e6)
        if claim:
            try:
                store.commit(claim, outcome(number))
            except ClaimLostError:
                continue
            with open(log, "a") as file:
                file.write(f"{number}\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(machine() is None, reason="the system does not tell processes apart, so leases must pass")
def test_every_run_is_done_once_and_whole(tmp_path: Path):
    store, runs, rng, started = Store.create(tmp_path / "store"), 60, random.Random(0), 0
    store.enqueue("plan", [Queued(run_id(spec(n)), "a", spec(n)) for n in range(1, runs + 1)], {})
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    workers: list[subprocess.Popen] = []
    while len(store.done()) < runs:
        workers = [worker for worker in workers if worker.poll() is None]
        while len(workers) < 4:
            log, started = tmp_path / f"log-{started}", started + 1
            command = [sys.executable, "-c", WORKER, str(store.path), str(runs), str(log)]
            workers.append(subprocess.Popen(command, env=environment))
        time.sleep(rng.random())
        if started < 30 and len(store.done()) < runs - 5:
            victim = workers.pop(rng.randrange(len(workers)))
            victim.kill()
            victim.wait()
        store.gc(unplanned=True)
        store.compact()
        store.status()
    assert [worker.wait(timeout=100) for worker in workers] == [0] * len(workers)
    finished = Counter(line for log in tmp_path.glob("log-*") for line in log.read_text().splitlines())
    assert set(finished.values()) == {1}  # a worker that was killed between commit and note told no one
    assert started > 4
    store.gc()
    store.compact()
    assert store.table().to_pylist() == rows_of_all(store)
    assert store.table().num_rows == runs * (runs + 1) // 2
    assert [list((store.path / name).iterdir()) for name in ("claims", "staging", "work")] == [[], [], []]
