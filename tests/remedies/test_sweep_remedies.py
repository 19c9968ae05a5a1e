"""Advice about plans, stores and launchers works when it is followed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deepcollapse.errors import DeepcollapseError
from deepcollapse.store import Outcome, Store, run_id
from deepcollapse.sweep import PoolLauncher, SerialLauncher, launch, plan
from remedies.refusal import Refusal, cases
from store.oracle import LEASE, put, spec

RUN = {"classes": 2, "layers": 1}
PART = {"name": "one", "kind": "theory", "run": RUN}
SIMULATE = {"name": "many", "kind": "simulate", "run": {**RUN, "lr": 0.1}, "seeds": {"count": 2}}


def planned(without=None, **changes):
    document = PART | changes
    document.pop(without, None)
    return lambda: plan(document)


def parts(*given, name="all", **others):
    return lambda: plan({"name": name, "parts": list(given), **others})


def ensemble(**changes):
    return lambda: plan(SIMULATE | changes)


LONG = list(range(2, 2000))
PLANS = [
    Refusal("plan: expected a TOML file", "name one", lambda: plan("none.toml"), planned()),
    Refusal("name: expected", "add it", lambda: plan({"parts": [PART]}), parts(PART)),
    Refusal("parts: expected tables", "correct it", parts(), parts(PART)),
    Refusal("parts: expected each name once", "rename one", parts(PART, PART), parts(PART, PART | {"name": "two"})),
    Refusal("kind: expected only name", "into a part", parts(PART, kind="theory"), parts(PART)),
    Refusal(
        "plan: expected at most",
        "shorten grid",
        planned(run={"layers": 1}, grid={"classes": LONG, "decay": [0.1 / k for k in LONG]}),
        planned(run={"layers": 1}, grid={"classes": [2, 3]}),
    ),
    Refusal("plan: expected at most", "or seeds", ensemble(seeds={"count": 10**9, "block": 1}), ensemble()),
]


@cases(PLANS)
def test_plans(refusal: Refusal):
    refusal.check()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def kept(store: Store, number: int = 3, **changes):
    def commit():
        claim = store.claim(run_id(spec(number)), "tester", LEASE)
        parts = {"spec": spec(number), "rows": pa.table({"a": [1]}), "arrays": {}, "document": {}, "notes": {}}
        try:
            store.commit(claim, Outcome(**(parts | changes)))
        finally:
            claim.release()

    return commit


TWICE, APART = (pa.table([[1], [2]], ["a", name]) for name in "ab")
TEXT = np.array(["1"])
RESULTS = [
    ("rows: expected columns of different", "rename", {"rows": TWICE}, {"rows": APART}),
    ("array: expected numbers", "convert", {"arrays": {"array": TEXT}}, {"arrays": {"array": TEXT.astype(int)}}),
    ("notes.a: expected what JSON", "convert it", {"notes": {"a": {1}}}, {"notes": {"a": [1]}}),
]


@pytest.mark.parametrize(("says", "advice", "wrong", "right"), RESULTS, ids=[row[0] for row in RESULTS])
def test_results(says, advice, wrong, right, store):
    Refusal(says, advice, kept(store, **wrong), kept(store, **right)).check()


def test_folders(tmp_path, store):
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    for says, advice, wrong in (
        ("store: expected a folder", "name another", tmp_path / "file"),
        ("store: expected a store or an empty", "name another", tmp_path / "other"),
    ):
        Refusal(says, advice, lambda wrong=wrong: Store.create(wrong), lambda: Store.create(tmp_path / "new")).check()
    none = tmp_path / "none"
    Refusal(
        "store: expected a store", "check the path", lambda: Store.open(none), lambda: Store.open(store.path)
    ).check()


def test_a_header_is_corrected_as_the_message_says(store):
    (store.path / "store.json").write_text("{", encoding="utf-8")
    with pytest.raises(
        DeepcollapseError, match=r"expected (\{.*\}), but could not read .*; correct that file"
    ) as caught:
        Store.open(store.path)
    wanted = str(caught.value).partition("expected ")[2].partition(", but")[0]
    (store.path / "store.json").write_text(wanted, encoding="utf-8")
    assert json.loads(wanted)
    Store.open(store.path)


def test_questions_about_a_store(store):
    put(store, 2)
    for says, advice, wrong, right in (
        ("sql: expected a question", "correct it", "SELECT nothing FROM runs", "SELECT number FROM runs"),
        ("sql: expected a question", "correct it", "SELECT 1 FROM elsewhere", "SELECT 1 FROM runs"),
    ):
        Refusal(says, advice, lambda sql=wrong: store.query(sql), lambda sql=right: store.query(sql)).check()
    found = store.runs()[0].id if hasattr(store, "runs") else run_id(spec(2))
    Refusal("id: expected", "run_id", lambda: store.run("7"), lambda: store.run(found)).check()


@pytest.mark.parametrize("damaged", ["rows.parquet", "arrays.safetensors", "run.json"])
def test_a_damaged_run_is_done_again_as_the_message_says(store, damaged):
    kept(store, arrays={"a": np.ones(3)})()
    id = run_id(spec(3))
    path = store.path / "runs" / id / damaged
    if not path.exists():
        path = sorted((store.path / "runs" / id).iterdir())[0]
    path.write_bytes(b"")

    def followed():
        shutil.rmtree(store.path / "runs" / id)
        kept(store, arrays={"a": np.ones(3)})()
        return dict(store.run(id).arrays)

    Refusal(
        "run: expected a whole file", f"delete the folder {path.parent}", lambda: dict(store.run(id).arrays), followed
    ).check()


def test_plans_in_a_store(store):
    def launched(name, decays):
        return lambda: launch(store, plan(PART | {"name": name, "grid": {"decay": decays}}), launcher=SerialLauncher())

    launched("one", [0.1])()
    Refusal("plan: expected", "another name", launched("one", [0.2]), launched("two", [0.2])).check()
    Refusal("plan: expected one of", "name one", lambda: store.plan("three"), lambda: store.plan("two")).check()


def test_launchers(store):
    one = plan(PART)

    def launched(lease):
        return lambda: launch(store, one, launcher=SerialLauncher(), lease=lease)

    Refusal("lease: expected seconds > 0", "120 is usual", launched(0), launched(120)).check()
    Refusal("workers: expected a number >= 1", "raise it", lambda: PoolLauncher(-1), lambda: PoolLauncher(0)).check()
    Refusal(
        "threads: expected a number >= 1", "raise it", lambda: PoolLauncher(1, 0), lambda: PoolLauncher(1, 1)
    ).check()
