"""``deepcollapse report`` as a user meets it."""

import json
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Store.create(tmp_path / "store").path


def test_it_writes_the_page_and_says_where(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    page = tmp_path / "out" / "index.html"
    assert run(["report", str(store), "--out", str(page.parent)]) == 0
    assert capsys.readouterr().out == f"Report: {page}\n"
    assert page.is_file()
    assert run(["report", str(store), "--out", str(page.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(page), "store": str(store), "runs": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["STORE"], "out: expected a folder for the page, but found none; add --out DIR"),
        (["--out", "page"], "store: expected the folder of one store, but found none; name one"),
        (["STORE", "STORE", "--out", "page"], "store: expected the folder of one store, but found"),
        (["nowhere", "--out", "page"], "store: expected a store, but found no"),
    ],
)
def test_mistakes_are_one_line(store: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str):
    assert run(["report", *(str(store) if word == "STORE" else word for word in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
