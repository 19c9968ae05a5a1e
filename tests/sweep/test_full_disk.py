"""A disk that fills up in the middle of a sweep: on a file system of its own, which only root can make."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepcollapse.store import Store, StoreError
from deepcollapse.sweep import Launcher, PoolLauncher, SerialLauncher, launch, plan
from sweep.small_plans import quick_runs, whole_table

RUNS = 40  # of some 24 kB each


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount: {error}")
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    "launcher",
    [SerialLauncher(threads=1), pytest.param(PoolLauncher(workers=2, threads=1), marks=pytest.mark.slow)],
)
def test_a_full_disk_stops_the_sweep_and_with_space_it_goes_on(launcher: Launcher, disk: Path, tmp_path: Path):
    found = plan(quick_runs(RUNS))
    store = Store.create(disk / "store")
    with pytest.raises(
        StoreError, match=r"No space left on device; free some space.*nothing that was finished is lost"
    ):
        launch(store, found, launcher=launcher)
    done = store.done()
    assert 5 < len(done) < RUNS
    before = {id: file_times(store.run(id).path) for id in done}
    status = store.status(found.name)
    assert (status.running, status.failed) == (0, 0)

    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert launch(store, found, launcher=launcher).done == RUNS
    assert {id: file_times(store.run(id).path) for id in done} == before
    reference = Store.create(tmp_path / "reference")
    launch(reference, found, launcher=SerialLauncher(threads=1))
    assert whole_table(store, found.ids).equals(whole_table(reference, found.ids))


def file_times(folder: Path) -> dict[str, int]:
    return {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(folder)}
