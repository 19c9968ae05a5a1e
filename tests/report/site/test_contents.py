from pathlib import Path

import numpy as np
import pytest

from deepcollapse.report.site.contents import Contents, contents
from deepcollapse.report.site.endpoints import endpoints
from deepcollapse.report.site.matrices import Matrices, matrices, representative
from deepcollapse.report.site.results import results
from deepcollapse.store import Store
from report.site.fake_store import ENSEMBLES, example_store, filled

THEORY = {"name": "theory", "kind": "theory", "run": {"layers": 1, "decay": 0.01}, "grid": {"classes": [2, 3]}}


@pytest.fixture(scope="module")
def found() -> Contents:
    return contents(Store.open(example_store()))


def test_runs_are_found_by_kind_in_the_order_of_the_plan(found: Contents):
    assert {kind: len(of.ids) for kind, of in found.kinds.items()} == {
        "simulate": 32,
        "train": 8,
        "landscape": 2,
        "theory": 4,
    }
    plan = found.plans[0]
    assert found.kinds["simulate"].ids == tuple(run.id for run in plan.runs if run.spec["kind"] == "simulate")
    assert found.kinds["train"].places[0] == (("small", "E4-mnist-mlp"),)
    assert sum(part["done"] for part in found.parts) == sum(part["runs"] for part in found.parts) == 46
    for kind in found.kinds.values():
        assert sum(rows.num_rows for rows in kind.blocks.values()) == kind.rows.num_rows
        for id, rows in kind.blocks.items():
            assert set(rows["run"].to_pylist()) == {id}


def test_results_are_those_of_the_rows(found: Contents):
    kind = found.kinds["simulate"]
    columns = results(kind)
    for index in (0, 13, 31):
        rows = kind.blocks[kind.ids[index]].to_pylist()
        ends = [row for row in rows if row["status"] == "converged"]
        assert columns["seeds"][index] == len(rows)
        assert columns["decided"][index] == len(ends)
        assert columns["dnc"][index] == sum(row["structure"] == "dnc" for row in ends)
        assert columns["lowest_loss"][index] == min(row["loss"] for row in ends)
    theory = results(found.kinds["theory"])
    assert theory["dnc_exists"] == [True] * 4
    searched = results(found.kinds["landscape"])
    assert searched["loss"] == [pytest.approx(searched["loss"][0])] * 2


def test_endpoints_count_every_seed_once(found: Contents):
    kind = found.kinds["simulate"]
    columns = endpoints(kind)
    cells = {
        name: column["values"] if "values" in column else [column["words"][code] for code in column["codes"]]
        for name, column in columns.items()
    }
    assert sum(cells["seeds"]) == kind.rows.num_rows
    for run, id in enumerate(kind.ids):
        counted = sum(
            seeds
            for at, name, seeds in zip(cells["run"], cells["structure"], cells["seeds"], strict=True)
            if at == run and name == "dnc"
        )
        rows = kind.blocks[id].to_pylist()
        assert counted == sum(row["structure"] == "dnc" and row["status"] == "converged" for row in rows)
    moving = [index for index, status in enumerate(cells["status"]) if status != "converged"]
    assert moving
    assert {cells["structure"][index] for index in moving} | {cells["rank"][index] for index in moving} == {None}


def test_an_unfinished_plan_shows_what_is_done(tmp_path: Path):
    store = filled(Store.create(tmp_path), THEORY, share=0.5)
    found = contents(store)
    assert found.parts == [{"plan": "theory", "part": "theory", "kind": "theory", "runs": 2, "done": 1}]
    assert len(found.ids) == 1


def test_runs_that_no_plan_names_are_there_too(tmp_path: Path):
    store = filled(Store.create(tmp_path), THEORY)
    for manifest in (tmp_path / "plans").iterdir():
        manifest.unlink()
    found = contents(store)
    assert len(found.kinds["theory"].ids) == 2
    assert found.kinds["theory"].places == ((), ())
    assert found.parts == []


def test_an_empty_store_has_nothing(tmp_path: Path):
    found = contents(Store.create(tmp_path))
    assert (found.kinds, found.ids, found.parts) == ({}, [], [])


def test_pictured_runs_are_those_of_claims_then_some_of_every_part(found: Contents):
    claimed = found.kinds["train"].ids[:3]
    order = representative(found, first=[claimed, ("0" * 16,)])
    assert set(order[:3]) == set(claimed)
    parts = [place for id in order[:8] for kind in found.kinds.values() if id in kind.ids
             for place in kind.places[kind.ids.index(id)]]  # fmt: skip
    assert {part for _, part in parts} == {part["name"] for part in ENSEMBLES["parts"]}
    assert sorted(order) == sorted(found.ids)


def test_matrices_hold_one_of_each_structure_within_the_limit(found: Contents):
    kept = dict(matrices(found, found.ids))
    assert set(kept) == {id for name, kind in found.kinds.items() if name != "theory" for id in kind.ids}
    for id in found.kinds["simulate"].ids[-8:]:  # 20 seeds
        one = kept[id]
        assert len(one.labels) == len(one.logits) == 16
        ends = {
            row["structure"] for row in found.kinds["simulate"].blocks[id].to_pylist() if row["status"] == "converged"
        }
        assert ends <= set(one.structures)


def test_cutting_keeps_the_order():
    made = Matrices(
        labels=["a", "b", "c", "d"],
        structures=["paired", "paired", "dnc", None],
        losses=[1.0, 2.0, 3.0, None],
        values=[[1.0], [2.0], [3.0], None],
        logits=np.arange(4.0)[:, None, None] * np.eye(2),
    )
    kept = made.cut(3)
    assert (kept.labels, kept.structures, kept.values) == (
        ["a", "c", "d"],
        ["paired", "dnc", None],
        [[1.0], [3.0], None],
    )
    assert kept.logits[:, 0, 0].tolist() == [0.0, 2.0, 3.0]
    assert made.cut(1).labels == ["a"]
