"""Disks that are full, read-only or gone: one line that says so, and what is finished stays."""

import errno
import os
import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.errors import DeepcollapseError, InvalidInputError
from deepcollapse.store import Queued, Store, StoreError, faults, run_id, table
from store.oracle import LEASE, outcome, put, rows_of_all, spec, tree

PAGE = 4096
KEPT = "; nothing that was finished is lost$"


class Disk:
    """A small disk in memory."""

    def __init__(self, folder: Path):
        self.folder = folder

    def fill(self, *, leave: int) -> None:
        """Leave so many pages."""
        filler = self.folder / "filler"
        filler.unlink(missing_ok=True)
        free = os.statvfs(self.folder)
        filler.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - leave * PAGE))
        assert os.statvfs(self.folder).f_bavail * free.f_frsize == leave * PAGE

    def empty(self) -> None:
        (self.folder / "filler").unlink()

    def read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no command mount")
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_fills_up_at_any_point_of_a_commit(disk):
    store = Store.create(disk.folder / "store")
    first, second = put(store, 3), run_id(spec(4))
    claim, pages = store.claim(second, "worker", LEASE), 0
    full = r"No space left on device; free some space on that disk and run again" + KEPT
    while pages < 5:  # one for each file; names take none
        disk.fill(leave=pages)
        place = store.path / "runs" / second
        with pytest.raises(StoreError, match=rf"^result of run {second}: expected to write {place}, but found: {full}"):
            store.commit(claim, outcome(4))
        assert (store.done(), list((store.path / "staging").iterdir())) == ({first}, [])
        assert store.table().num_rows == 3
        pages += 1
    disk.empty()
    store.commit(claim, outcome(4))
    assert store.table().num_rows == 7


def test_a_full_disk_has_room_for_no_claim_plan_or_failure(disk):
    store = Store.create(disk.folder / "store")
    put(store, 3)
    claim = store.claim(run_id(spec(4)), "worker", LEASE)
    disk.fill(leave=0)
    full = r"No space left on device; free some space on that disk and run again" + KEPT
    with pytest.raises(
        StoreError, match=rf"^claim of run {run_id(spec(5))}: expected to write {store.path}/claims/.*{full}"
    ):
        store.claim(run_id(spec(5)), "worker", LEASE)
    with pytest.raises(StoreError, match=rf"^plan 'plan': expected to write {store.path}/plans/plan\.jsonl.*{full}"):
        store.enqueue("plan", [Queued(run_id(spec(5)), "a", spec(5))], {})
    with pytest.raises(
        StoreError, match=rf"^failure of run {claim.id}: expected to write {store.path}/failures/.*{full}"
    ):
        store.fail(claim, ValueError("no"))
    with pytest.raises(StoreError, match=rf"^table: expected to write {store.path}/table.parquet, but found: .*{full}"):
        store.compact()
    with pytest.raises(StoreError, match=rf"^store: expected to write {disk.folder}/other.*{full}"):
        Store.create(disk.folder / "other")
    assert claim.renew()
    assert list((store.path / "staging").iterdir()) == []
    assert (store.plans(), store.status().done, store.status().failed, store.status().running) == ((), 1, 0, 1)
    disk.empty()
    store.fail(claim, ValueError("no"))
    assert store.compact() == 1


def test_an_older_table_stays_when_there_is_no_room_for_a_new_one(disk):
    store = Store.create(disk.folder / "store")
    put(store, 3)
    store.compact()
    put(store, 4)
    before = (store.path / "table.parquet").read_bytes()
    disk.fill(leave=0)
    with pytest.raises(StoreError, match=r"^table: "):
        store.compact()
    assert (store.path / "table.parquet").read_bytes() == before
    assert list((store.path / "staging").iterdir()) == []


def test_a_read_only_disk(disk, capsys, monkeypatch):
    store = Store.create(disk.folder / "store")
    store.enqueue("plan", [Queued(run_id(spec(n)), "a", spec(n)) for n in (3, 4, 5)], {})
    put(store, 3)
    store.compact()
    put(store, 5)
    claim = store.claim(run_id(spec(4)), "worker", LEASE)
    before = tree(store.path)
    disk.read_only()
    wall = r"Read-only file system; make it writable, or take another store" + KEPT
    for refused in (
        lambda: store.claim(run_id(spec(6)), "worker", LEASE),
        claim.renew,
        claim.release,
        lambda: store.commit(claim, outcome(4)),
        lambda: store.fail(claim, ValueError("no")),
        lambda: store.enqueue("other", [], {}),
        store.compact,
        lambda: Store.create(disk.folder / "other"),
    ):
        with pytest.raises(StoreError, match=wall):
            refused()
    assert tree(store.path) == before
    assert Store.create(store.path) == store
    store.enqueue("plan", [Queued(run_id(spec(n)), "a", spec(n)) for n in (3, 4, 5)], {})
    assert (store.status().done, store.status().running, store.status().pending) == (2, 1, 0)
    assert store.run(run_id(spec(3))).rows.num_rows == 3
    assert store.gc(dry=True).claims == ()
    monkeypatch.setattr(table, "_FEW", 0)
    assert store.table().select(["run", "loss"]).to_pylist() == [
        {name: row[name] for name in ("run", "loss")} for row in rows_of_all(store)
    ]
    capsys.readouterr()
    assert run(["compact", str(store.path)]) == 1
    message = f"deepcollapse: table: expected to write {store.path}/table.parquet, but found: Read-only file system; "
    assert (
        capsys.readouterr().err
        == message + "make it writable, or take another store; nothing that was finished is lost\n"
    )


def test_tidying_up_on_a_read_only_disk(disk):
    store = Store.create(disk.folder / "store")
    store.claim(run_id(spec(4)), "worker", LEASE).release()
    disk.read_only()
    assert len(store.gc(dry=True).claims) == 1
    with pytest.raises(StoreError, match=r"Read-only file system"):
        store.gc()


def test_the_error_is_what_a_caller_expects():
    message = r"^x: expected to write /y, but found: Input/output error; see to the disk and run again" + KEPT
    with pytest.raises(OSError, match=message) as told, faults.writing("x", Path("/y")):
        raise OSError(errno.EIO, "no luck", "/z")
    assert isinstance(told.value, DeepcollapseError)
    assert isinstance(told.value.__cause__, OSError)
    assert not isinstance(told.value, InvalidInputError)
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)


def test_the_first_error_is_told():
    with (
        pytest.raises(StoreError, match=r"^inner: "),
        faults.writing("outer", Path("/x")),
        faults.writing("inner", Path("/y")),
    ):
        raise OSError(errno.ENOSPC, "full")


def test_a_store_that_is_taken_away(tmp_path):
    store = Store.create(tmp_path / "store")
    claim = store.claim(run_id(spec(4)), "worker", LEASE)
    (tmp_path / "store").rename(tmp_path / "moved")
    with pytest.raises(StoreError, match="No such file or directory; see to the disk and run again"):
        store.claim(run_id(spec(5)), "worker", LEASE)
    assert not claim.renew()
    assert not (tmp_path / "store").exists()
