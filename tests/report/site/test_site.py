"""The page as files."""

import json
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.errors import InvalidInputError
from deepcollapse.report.site import expect_page_folder, write_site
from deepcollapse.report.site.folder import ASSETS, asset_names
from deepcollapse.store import Store
from report.reading import Page
from report.site.fake_store import example_store, filled


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    assert write_site(Store.open(example_store()), out) == out / "index.html"
    return out


def parsed(page: Path) -> Page:
    found = Page()
    found.feed(page.read_text(encoding="utf-8"))
    found.close()
    return found


def content(script: Path) -> dict:
    """What a data file holds: a JSON text inside a JavaScript string."""
    text = script.read_text(encoding="utf-8")
    return json.loads(json.loads(re.search(r'JSON\.parse\((".*")\)\)?;\n$', text, re.DOTALL)[1]))


def test_it_is_well_formed_and_everything_it_names_is_there(site: Path):
    page = parsed(site / "index.html")
    assert (page.faults, page.open) == ([], [])
    names = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in page.elements
        if tag in ("script", "link")
    ]
    files = [name for name in names if name and not name.startswith("data:")]
    assert len(files) == len(asset_names()) + 2
    assert all((site / name).is_file() for name in files)
    assert {file.stem for file in (site / ASSETS).glob("*.js")} >= {"data", "plotly.min", "runs-0", "matrices-0"}
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_script_is_used_and_short():
    folder = resources.files("deepcollapse.report.site").joinpath("assets")
    scripts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".js")}
    assert set(scripts) == set(asset_names())
    lines = {name: text.splitlines() for name, text in scripts.items()}
    assert {name: len(found) for name, found in lines.items() if len(found) > 400} == {}
    assert [line for found in lines.values() for line in found if len(line) > 120] == []
    assert [name for name, found in lines.items() if '"use strict";' not in found] == []


def test_nothing_runs_but_its_own_scripts(site: Path):
    page = parsed(site / "index.html")
    assert not [tag for tag, attributes in page.elements if tag == "script" and "src" not in attributes]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    policy = next(
        attributes["content"] or "" for tag, attributes in page.elements if tag == "meta" and "http-equiv" in attributes
    )
    assert "default-src 'none'" in policy
    assert "script-src 'self' file:;" in policy
    scripts = [(site / ASSETS / name).read_text(encoding="utf-8") for name in asset_names()]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|fetch\(|XMLHttp", "".join(scripts)
    )


def test_texts_of_the_store_are_escaped(site: Path):
    page = parsed(site / "index.html")
    assert "The same on CIFAR-10 <script>alert(1)</script>" in " ".join(page.words)
    assert "<script>alert" not in (site / "index.html").read_text(encoding="utf-8")


def test_the_data_are_those_of_the_store(site: Path):
    store = Store.open(example_store())
    data = content(site / ASSETS / "data.js")
    assert sum(len(kind["ids"]) for kind in data["kinds"].values()) == len(store.done())
    assert data["claims"]["E4"] == [run.id for run in store.plans()[0].runs if run.part == "E4-mnist-mlp"]
    assert {"loss", "feature_model_objective", "bound", "below_bound"} <= data["kinds"]["train"]["results"].keys()
    assert set(content(site / ASSETS / "runs-0.js")) == store.done()
    assert set(content(site / ASSETS / "matrices-0.js")) == set(data["pictured"]["ids"][:25])
    assert (site / data["store"]["link"].replace("%20", " ") / "store.json").is_file()


def test_the_same_store_gives_the_same_files(site: Path, tmp_path: Path):
    """Even the link to the store, from a folder beside the first one."""
    again = site.parent / "again"
    write_site(Store.open(example_store()), again)
    for file in sorted(site.rglob("*.*")):
        assert (again / file.relative_to(site)).read_bytes() == file.read_bytes(), file


def test_a_page_is_replaced_with_all_its_files(tmp_path: Path):
    empty = Store.create(tmp_path / "store")
    write_site(empty, tmp_path / "out")
    stale = tmp_path / "out" / ASSETS / "runs-7.js"
    stale.touch()
    write_site(empty, tmp_path / "out")
    assert not stale.exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", ASSETS]


def test_a_page_that_was_killed_between_two_renames_is_still_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store, out = Store.create(tmp_path / "store"), tmp_path / "out"
    write_site(store, out)
    rename = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if path.name == ASSETS:
            rename(path, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            write_site(store, out)
    assert not (out / ASSETS).exists()
    write_site(store, out)
    assert sorted(path.name for path in out.iterdir()) == ["index.html", ASSETS]
    assert (out / ASSETS / "data.js").is_file()


def test_where_a_page_can_be_written_is_known_before(tmp_path: Path):
    expect_page_folder(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "index.html").touch()
    with pytest.raises(InvalidInputError, match=rf"out: expected a new folder .*, but found {tmp_path}/index.html"):
        expect_page_folder(tmp_path)
    for out in (tmp_path / "index.html", tmp_path / "index.html" / "out"):
        with pytest.raises(InvalidInputError, match=rf"that can be written, but found {tmp_path}/index.html; choose"):
            expect_page_folder(out)


def test_a_reproduction_asks_for_a_place_for_its_page_before_it_does_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "index.html").touch()
    arguments = ["--size", "quick", "--store", str(tmp_path / "store"), "--only", "T2", "--launcher", "serial"]
    assert run(["reproduce", *arguments, "--out", str(tmp_path)]) == 2
    assert "out: expected a new folder" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_the_lead_counts_the_runs_of_the_ledgers_plan(site: Path, tmp_path: Path):
    store = Store.open(example_store())
    total = len(store.done())
    lead = f"this page holds {total} runs of the small reproduction against"
    assert lead in (site / "index.html").read_text(encoding="utf-8")
    shutil.copytree(store.path, tmp_path / "store")
    other = {"name": "other", "kind": "theory", "run": {"layers": 1, "decay": 0.01}, "grid": {"classes": [2, 3]}}
    more = filled(Store.open(tmp_path / "store"), other)
    assert len(more.done()) == total + 2
    page = write_site(more, tmp_path / "out").read_text(encoding="utf-8")
    assert lead in page
    assert f"{total + 2} runs in store" in page
    (more.path / "ledger.json").unlink()
    page = write_site(more, tmp_path / "out").read_text(encoding="utf-8")
    assert f"this page holds {total + 2} runs against" in page


@pytest.mark.parametrize("name", ["index.html", ASSETS])
def test_what_is_no_report_of_a_store_is_left_alone(tmp_path: Path, name: str):
    other = tmp_path / "out" / name
    other.parent.mkdir()
    other.write_text("mine")
    with pytest.raises(InvalidInputError, match=rf"out: expected a new folder .*, but found .*{name}; choose another"):
        write_site(Store.create(tmp_path / "store"), tmp_path / "out")
    assert other.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="out: expected a folder that can be written, but found"):
        write_site(Store.create(tmp_path / "store"), tmp_path / "file" / "out")


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path):
    store = Store.create(tmp_path / "store")
    write_site(store, tmp_path / "out")
    text = " ".join(parsed(tmp_path / "out" / "index.html").words)
    assert "This store holds no runs yet" in text
    assert f"deepcollapse reproduce --size quick --store {store.path}" in text
    for missing in ("No ensembles in this store", "No trained networks in this store", "no finished runs"):
        assert missing in text
    data = content(tmp_path / "out" / ASSETS / "data.js")
    assert (data["kinds"], data["ends"], data["pictured"]["ids"]) == ({}, None, [])


def test_missing_claims_a_damaged_ledger_and_an_unfinished_plan_are_named(tmp_path: Path):
    document = {"name": "half", "kind": "theory", "run": {"layers": 1, "decay": 0.01}, "grid": {"classes": [2, 3]}}
    store = filled(Store.create(tmp_path / "store"), document, share=0.5)
    claim = store.claim(store.plans()[0].runs[1].id, "test", 60.0)
    assert claim is not None
    store.fail(claim, ValueError("on purpose"))
    write_site(store, tmp_path / "out")
    text = " ".join(parsed(tmp_path / "out" / "index.html").words)
    assert "No claims have been checked in this store" in text
    text = re.sub(r"\s+", " ", text)
    assert "half 1 of 2 runs are done" in text
    assert f"1 failed; deepcollapse status {store.path} says why" in text
    (store.path / "ledger.json").write_text("{")
    write_site(store, tmp_path / "out")
    text = " ".join(parsed(tmp_path / "out" / "index.html").words)
    assert "The ledger cannot be read" in text
