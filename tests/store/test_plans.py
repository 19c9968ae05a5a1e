"""Manifests of plans, and the store's own file."""

import errno
import json
import threading
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Queued, Store, run_id
from store.oracle import spec, tree


def queued(*numbers: int, part: str = "a") -> list[Queued]:
    return [Queued(run_id(spec(number)), part, spec(number)) for number in numbers]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_a_plan_comes_back(store):
    runs = [*queued(2, 1), *queued(2, part="b")]
    document = {"name": "by width", "grid": {"z": [1, 2], "a": [0.5]}}
    store.enqueue("by width", runs, document)
    (found,) = store.plans()
    assert (found.name, found.document, found.runs) == ("by width", document, tuple(runs))
    assert list(found.document["grid"]) == ["z", "a"]
    lines = [json.loads(line) for line in (store.path / "plans" / "by width.jsonl").read_text().splitlines()]
    assert lines[0] == {"name": "by width", "document": document}
    assert lines[1:-1] == [{"id": run.id, "part": run.part, "spec": run.spec} for run in runs]


def test_a_plan_is_found_by_its_name(store):
    with pytest.raises(InvalidInputError, match="plan: expected one of none, but found 'c'; name one of them"):
        store.plan("c")
    store.enqueue("a", queued(1), {})
    store.enqueue("b", queued(2), {})
    assert store.plan("b").runs == tuple(queued(2))
    with pytest.raises(InvalidInputError, match="plan: expected one of a, b, but found 'c'; name one of them"):
        store.plan("c")


def test_adding_a_plan_again_changes_nothing(store):
    store.enqueue("plan", queued(1, 2), {"name": "plan"})
    path = store.path / "plans" / "plan.jsonl"
    before = path.stat()
    store.enqueue("plan", iter(queued(1, 2)), {"name": "plan"})
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("runs", "document", "what"),
    [
        (queued(1), {"name": "plan"}, "runs"),
        (queued(2, 1), {"name": "plan"}, "runs"),
        (queued(1, 2, part="b"), {"name": "plan"}, "runs"),
        (queued(1, 2), {"name": "plan", "kind": "theory"}, "document"),
    ],
)
def test_another_plan_of_the_same_name_is_refused(store, runs, document, what):
    store.enqueue("plan", queued(1, 2), {"name": "plan"})
    path = store.path / "plans" / "plan.jsonl"
    message = f"plan: expected the {what} of 'plan' in {path}, but found others; give the plan another name, or delete"
    with pytest.raises(InvalidInputError, match=message):
        store.enqueue("plan", runs, document)
    assert store.plans()[0].runs == tuple(queued(1, 2))


@pytest.mark.parametrize("name", ["a/b", "../up", ".", "ä ö", "100% \\ :*?", "a" * 200])
def test_any_name_is_a_file_in_its_folder(store, name):
    store.enqueue(name, queued(1), {})
    assert [plan.name for plan in store.plans()] == [name]
    (path,) = (store.path / "plans").iterdir()
    assert path.name.endswith(".jsonl")


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "ä" * 50])
def test_names_have_limits(store, name):
    with pytest.raises(InvalidInputError, match="plan: expected a name of 1 to 200 characters, but found"):
        store.enqueue(name, queued(1), {})


def test_what_a_plan_cannot_hold(store):
    with pytest.raises(InvalidInputError, match=r"plan\.x: expected what JSON can hold, but found nan"):
        store.enqueue("plan", queued(1), {"x": float("nan")})
    with pytest.raises(InvalidInputError, match=r"spec\.x: expected what JSON can hold, but found <object"):
        store.enqueue("plan", [Queued(run_id({}), "a", {"x": object()})], {})
    with pytest.raises(InvalidInputError, match="id: expected 16 hexadecimal digits, but found 'x'"):
        store.enqueue("plan", [Queued("x", "a", {})], {})
    assert store.plans() == ()


def test_many_add_the_same_plan_at_once(store):
    errors = []

    def add():
        try:
            store.enqueue("plan", queued(*range(50)), {"name": "plan"})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.plans()[0].runs) == 50
    assert list((store.path / "staging").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"name": "x"}\n', b'{"name": "x", "document": {}}\n{"id": "a"}\n'])
def test_a_damaged_plan_is_told(store, content):
    path = store.path / "plans" / "plan.jsonl"
    path.write_bytes(content)
    with pytest.raises(
        InvalidInputError, match=rf"found {path} damaged \(.*\); delete this file and add the plan again"
    ):
        store.plans()


def test_creating_again_opens(store):
    store.enqueue("plan", queued(1), {})
    assert Store.create(store.path) == Store.open(str(store.path)) == store
    assert len(store.plans()) == 1


def test_a_new_store_and_its_name_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr("deepcollapse.store.store.flush", flushed.append)
    Store.create(tmp_path / "s")
    assert flushed == [tmp_path / "s", tmp_path]


def test_a_store_in_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def flush(path):
        if path == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("deepcollapse.store.store.flush", flush)
    assert Store.create(tmp_path / "s").done() == set()


def test_a_path_is_kept_wherever_one_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store.create("here")
    monkeypatch.chdir("/")
    assert store.done() == set()
    assert Store.open(tmp_path / "here") == store


def test_many_create_a_store_at_once(tmp_path):
    stores = []
    threads = [threading.Thread(target=lambda: stores.append(Store.create(tmp_path / "s"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores == [Store.open(tmp_path / "s")] * 8
    folders = ["claims", "failures", "plans", "runs", "staging", "store.json", "work"]
    assert tree(tmp_path / "s") == folders


def test_a_folder_with_other_things_is_no_store(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(
        InvalidInputError, match=rf"expected a store or an empty folder, but found photo\.jpg in {tmp_path}"
    ):
        Store.create(tmp_path)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=r"store: expected a folder, but found a file at .*file; name another"):
        Store.create(tmp_path / "file")


def test_a_missing_store(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path, tmp_path / "file"):
        message = rf"store: expected a store, but found no {path}/store\.json; check the path, or begin one with deepc"
        with pytest.raises(InvalidInputError, match=message):
            Store.open(path)


def test_a_store_of_another_format(store):
    (store.path / "store.json").write_text('{"format": 1}')
    with pytest.raises(
        InvalidInputError, match=r"store: expected format 2, but found 1 in .*; use the release that made"
    ):
        Store.open(store.path)
    (store.path / "store.json").write_text("[]")
    with pytest.raises(
        InvalidInputError, match=r'store: expected \{"format": 2\}, but could not read .*; correct that file'
    ):
        Store.create(store.path)


def test_a_copy_without_empty_folders_is_a_store(store):
    for folder in list(store.path.iterdir()):
        if folder.is_dir():
            folder.rmdir()
    assert (store.done(), store.plans(), store.claimed(), store.status().total) == (set(), (), {}, 0)
    store.enqueue("plan", queued(1), {})
    assert store.claim(run_id(spec(1)), "first", 60.0).held()
