"""A result is in the store whole or not at all, wherever its worker stops."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Outcome, Store, StoreError, run_id
from deepcollapse.store.process import machine
from store.oracle import LEASE, outcome, put, python, spec, tree

RUN = run_id(spec(3))
STEPS = ("fsync", "rename", "mkdir", "unlink", "rmdir")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_what_a_run_leaves(store):
    put(store, 3)
    assert tree(store.path) == [
        *("claims", "failures", "plans", "runs", f"runs/{RUN}"),
        *(f"runs/{RUN}/{name}" for name in ("arrays.safetensors", "digests.json", "document.json", "notes.json")),
        *(f"runs/{RUN}/{name}" for name in ("rows.parquet", "spec.json")),
        *("staging", "store.json", "work"),
    ]


KILLED = """
import json, os, signal, sys
from deepcollapse.store import Store, run_id
from store.oracle import outcome, spec
root, names = sys.argv[1], sys.argv[2].split(",")

def counted(name, left):
    call = getattr(os, name)
    def step(*arguments, **settings):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **settings)
    setattr(os, name, step)

step = 0
while True:
    step += 1
    store = Store.create(f"{root}/{step}")
    if child := os.fork():
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
        continue
    claim = store.claim(run_id(spec(3)), "child", 1e6)
    (claim.work / "checkpoint").touch()
    left = [step]
    for name in names:
        counted(name, left)
    store.commit(claim, outcome(3))
    os._exit(0)
print(step)
"""


@pytest.mark.skipif(machine() is None, reason="the system does not tell processes apart, so the lease must pass")
def test_killed_before_every_call_to_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    steps = int(python(KILLED, tmp_path, ",".join(STEPS)).stdout)
    assert steps > 12
    ended = []
    for step in range(1, steps + 1):
        store = Store.open(tmp_path / str(step))
        ended.append(RUN in store.done())
        again = store.claim(RUN, "second", LEASE)
        if ended[-1]:
            assert again is None
        else:
            assert (again.attempt, (again.work / "checkpoint").exists()) == (2, True)
            store.commit(again, outcome(3))
        assert store.run(RUN).rows.num_rows == 3
        assert store.run(RUN).arrays["logits"].tolist() == [[3.0, 3.0]] * 2
        store.gc()
        assert [list((store.path / name).iterdir()) for name in ("staging", "claims", "work")] == [[], [], []]
    assert ended == sorted(ended)
    assert (ended[0], ended[-2]) == (False, True)


def failing(monkeypatch: pytest.MonkeyPatch, name: str, *, at: int, error: Exception) -> None:
    """Make the n-th call of a function of ``os`` fail."""
    call, left = getattr(os, name), [at]

    def step(*arguments, **settings):
        left[0] -= 1
        if left[0] == 0:
            raise error
        return call(*arguments, **settings)

    monkeypatch.setattr(os, name, step)


@pytest.mark.parametrize(("name", "at"), [("fsync", n) for n in range(1, 9)] + [("rename", 1), ("mkdir", 3)])
def test_a_disk_that_refuses_once(store, monkeypatch, name, at):
    claim = store.claim(RUN, "first", LEASE)
    failing(monkeypatch, name, at=at, error=OSError(errno.EIO, "Input/output error"))
    with pytest.raises(StoreError, match=rf"result of run {RUN}: expected to write .*{RUN}, but found: Input/output"):
        store.commit(claim, outcome(3))
    assert list((store.path / "staging").iterdir()) == []
    if (name, at) == ("fsync", 8):  # the folder's names; the result was there already, whole
        assert store.run(RUN).rows.num_rows == 3
    else:
        assert store.done() == set()
        store.commit(claim, outcome(3))
    claim.release()
    store.gc()
    assert [list((store.path / name).iterdir()) for name in ("claims", "work")] == [[], []]


def test_an_interruption_leaves_nothing(store, monkeypatch):
    claim = store.claim(RUN, "first", LEASE)
    failing(monkeypatch, "fsync", at=3, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        store.commit(claim, outcome(3))
    assert (list((store.path / "staging").iterdir()), store.done()) == ([], set())
    assert claim.held()


def test_a_rename_that_was_done_and_reported_as_failed(store, monkeypatch):
    """As network file systems do when the answer is lost."""
    rename = os.rename

    def lost(source, target):
        rename(source, target)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", source)

    monkeypatch.setattr(os, "rename", lost)
    put(store, 3)
    assert store.run(RUN).rows.num_rows == 3


def test_a_link_that_was_done_and_reported_as_failed(store, monkeypatch):
    link = os.link

    def lost(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists", source, None, target)

    monkeypatch.setattr(os, "link", lost)
    assert store.claim(RUN, "first", LEASE).held()


def test_a_file_system_without_links_is_named(store, monkeypatch):
    failing(monkeypatch, "link", at=1, error=PermissionError(errno.EPERM, "Operation not permitted"))
    with pytest.raises(
        StoreError, match=rf"claim of run {RUN}: .* permitted; take a store where .* with hard links; no"
    ):
        store.claim(RUN, "first", LEASE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": {"x": float("nan")}}, r"spec\.x: expected what JSON can hold, but found nan"),
        ({"document": {"x": object()}}, r"document\.x: expected what JSON can hold, but found <object"),
        ({"notes": {"x": {1}}}, r"notes\.x: expected what JSON can hold, but found \{1\}"),
        ({"arrays": {"x": np.array(["a"])}}, r"x: expected numbers or booleans, but found <U1; convert the array"),
        ({"arrays": {"x": np.zeros(2, complex)}}, r"x: expected numbers or booleans, but found complex128"),
        ({"rows": pa.table([[1], [2]], names=["a", "a"])}, "rows: expected columns of different names, but found 'a'"),
    ],
)
def test_what_cannot_be_kept_is_refused(store, change, message):
    claim, whole = store.claim(RUN, "first", LEASE), outcome(3)
    names = ("spec", "rows", "arrays", "document", "notes")
    parts = {name: getattr(whole, name) for name in names} | change
    with pytest.raises(InvalidInputError, match=message):
        store.commit(claim, Outcome(**parts))
    assert (store.done(), claim.held()) == (set(), True)


def test_a_failure_is_kept_and_may_be_tried_again(store):
    claim = store.claim(RUN, "first", LEASE)
    try:
        raise ValueError("what went\nwrong")
    except ValueError as error:
        store.fail(claim, error)
    (failure,) = store.failures(RUN)
    assert (failure.attempt, failure.worker, failure.error) == (1, "first", "wrong")
    assert 'raise ValueError("what went\\nwrong")' in failure.traceback
    assert json.loads((store.path / "failures" / f"{RUN}-1.json").read_text())["traceback"] == failure.traceback
    assert store.claim(RUN, "second", LEASE).attempt == 2
    assert store.failures(run_id(spec(4))) == []


def test_a_damaged_failure_is_named(store):
    store.fail(store.claim(RUN, "first", LEASE), ValueError("wrong"))
    path = store.path / "failures" / f"{RUN}-1.json"
    path.write_text("{")
    with pytest.raises(InvalidInputError, match=rf"found {path} damaged \(.*Expecting .*\); delete this file"):
        store.failures(RUN)
