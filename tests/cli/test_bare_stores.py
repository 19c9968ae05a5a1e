"""Stores that hold little: every command that reads one gives its page or lines, or one line that says why not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.store import Store

THEORY = 'name = "theory"\nkind = "theory"\nrun = {classes = 3, layers = 1}\n'
TRAIN = """
name = "train"
kind = "train"
[run.spec]
name = "tiny"
data = {source = "digits", per_class = 3}
backbone = {kind = "mlp", hidden = [10]}
head = {width = 10}
decay = {kind = "ufm", weights = 1e-2, features = 1e-2}
descent = {steps_max = 2, looks = 2}
analysis = {polish = false}
"""
FAILED = """
name = "failed"
kind = "train"
[run.spec]
name = "broken"
data.source = "digits"
decay = {kind = "standard", weights = 1e-3}
backbone = {kind = "factory", factory = "sweep.doomed:broken"}
"""
STORES = {"empty": None, "failed": FAILED, "theory": THEORY, "train": TRAIN}
QUESTION = "SELECT count(*) AS runs FROM runs"


@pytest.fixture(scope="module", params=STORES)
def kind_and_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("bare")
    Store.create(folder / "store")
    if plan := STORES[request.param]:
        (folder / "plan.toml").write_text(plan)
        code = run(["sweep", str(folder / "plan.toml"), "--store", str(folder / "store"), "--launcher", "serial"])
        assert code == (request.param == "failed")
    return request.param, folder / "store"


@pytest.fixture
def called(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """Runs a command; its exit code and all that it wrote, in one line where it failed."""

    def call(*arguments: str) -> tuple[int, str]:
        code = run(arguments)
        captured = capsys.readouterr()
        assert captured.err.count("\n") == (code != 0)
        return code, captured.out + captured.err

    return call


def test_status(kind_and_store: tuple[str, Path], called: Callable):
    kind, store = kind_and_store
    for option in ([], ["--json"]):
        code, text = called("status", str(store), *option)
        assert code == 0
        assert text.strip()
    assert ("doomed" in text) == (kind == "failed")


def test_compact(kind_and_store: tuple[str, Path], called: Callable):
    kind, store = kind_and_store
    new = int(kind in ("theory", "train"))
    for found in (new, 0):
        assert called("compact", str(store)) == (0, f"{found} new of {new} finished runs: {store / 'table.parquet'}\n")


def test_query(kind_and_store: tuple[str, Path], called: Callable):
    kind, store = kind_and_store
    code, text = called("query", str(store), QUESTION, "--json")
    assert (code, '"runs": 0' in text) == (0, kind in ("empty", "failed"))
    assert called("query", str(store), "SELECT * FROM runs")[0] == 0


def test_report(kind_and_store: tuple[str, Path], called: Callable, tmp_path: Path):
    assert called("report", str(kind_and_store[1]), "--out", str(tmp_path / "page"))[0] == 0
    assert "<html" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
