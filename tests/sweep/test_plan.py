"""A plan expands to the runs one would write down by hand, and names every mistake."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.run_kinds import run_spec
from deepcollapse.store import run_id
from deepcollapse.sweep import Plan, plan
from deepcollapse.sweep.expansion import expanded, run_count
from deepcollapse.sweep.plan_file import PartTable, SeedsTable

RUN = {"classes": 3, "layers": 1}
TWO = {"name": "two", "kind": "theory", "run": RUN, "grid": {"decay": [0.01, 0.02]}}


def settings(found: Plan, *keys: str) -> list[tuple]:
    return [tuple(spec.as_json()[key] for key in keys) for part in found.parts for spec in part.runs]


def mistakes(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        plan(document)
    return str(caught.value).split(";\n")


def test_a_grid_is_the_product_in_the_order_written_and_zip_is_walked_below_it():
    document = {
        "name": "order",
        "kind": "simulate",
        "run": RUN,
        "grid": {"width": [5, 3], "init_scale": [0.5, 1.0]},
        "zip": {"lr": [0.1, 0.2], "steps_max": [10, 20]},
        "seeds": {"count": 5, "block": 2, "first": 7},
    }
    blocks = [(7, 2), (9, 2), (11, 1)]
    expected = [
        (width, scale, lr, steps, *block)
        for width, scale, (lr, steps), block in itertools.product([5, 3], [0.5, 1.0], [(0.1, 10), (0.2, 20)], blocks)
    ]
    keys = ("width", "init_scale", "lr", "steps_max", "first_seed", "seeds")
    assert settings(plan(document), *keys) == expected


@given(
    sizes=st.lists(st.integers(1, 4), min_size=0, max_size=3),
    rows=st.integers(0, 4),
    count=st.integers(1, 9),
    block=st.none() | st.integers(1, 12),
)
def test_the_number_of_runs_is_the_product(sizes: list[int], rows: int, count: int, block: int | None):
    keys = ("width", "restarts", "layers")
    seeds = {"count": count} | ({} if block is None else {"block": block})
    grid = {key: list(range(2, 2 + size)) for key, size in zip(("width", "layers", "steps_max"), sizes, strict=False)}
    document = {"name": "n", "kind": "simulate", "run": {"classes": 3}, "grid": grid, "seeds": seeds}
    document["zip"] = {"lr": [0.1 + row for row in range(rows)]} if rows else {}
    if "layers" not in grid:
        document["run"] = RUN
    found = plan(document)
    blocks = -(-count // (block or count))
    expected = max(rows, 1) * blocks
    for size in sizes:
        expected *= size
    assert len(found.ids) == expected, keys
    first_point = [spec.as_json() for spec in found.parts[0].runs[:blocks]]
    assert [spec["first_seed"] for spec in first_point] == list(range(0, count, block or count))
    assert sum(spec["seeds"] for spec in first_point) == count


def test_a_run_is_named_by_what_decides_its_result():
    found = plan(TWO)
    expected = [run_spec({"kind": "theory", **RUN, "decay": decay}) for decay in (0.01, 0.02)]
    assert list(found.ids) == [run_id(spec.identity()) for spec in expected]
    assert [queued.spec for queued in found.queued()] == [spec.as_json() for spec in expected]
    assert {queued.part for queued in found.queued()} == {"two"}
    assert plan(TWO).ids == found.ids


def test_runs_that_coincide_are_there_once():
    document = {**TWO, "grid": {"decay": [0.25, "2^-2", "4^-1", 0.5]}}
    assert settings(plan(document), "decay") == [(0.25,), (0.5,)]


def test_parts_that_share_a_run_both_list_it():
    parts = [{**TWO, "name": name} for name in ("a", "b")]
    found = plan({"name": "shared", "parts": parts})
    assert [part.name for part in found.parts] == ["a", "b"]
    assert found.parts[0].ids == found.parts[1].ids == found.ids
    assert len(found.queued()) == 4


def test_powers_are_numbers_wherever_they_stand():
    document = {
        "name": "powers",
        "kind": "theory",
        "run": {"classes": "2^2", "layers": 1, "decay": ["2^-10", "10^-3"]},
        "zip": {"width": ["2^3"]},
    }
    assert settings(plan(document), "classes", "decay", "width") == [(4, [2.0**-10, 1e-3], 8)]


def test_landscape_and_train_take_one_seed_a_run():
    document = {"name": "l", "kind": "landscape", "run": RUN, "seeds": {"count": 3, "first": 2}}
    assert settings(plan(document), "seed") == [(2,), (3,), (4,)]
    train = {"name": "t", "kind": "train", "run": {"spec": "digits"}, "seeds": {"count": 2}}
    assert [spec["seed"] for (spec,) in settings(plan(train), "spec")] == [0, 1]


def test_train_takes_dotted_keys_quoted_or_not(tmp_path: Path):
    file = tmp_path / "train.toml"
    file.write_text(
        'name = "widths"\nkind = "train"\n[run]\nspec = "digits"\nhead.layers = 2\n"descent.steps_max" = 50\n'
        "[grid]\nhead.width = [10, 20]\ndecay.weights = ['2^-7']\n"
    )
    specs = [spec for (spec,) in settings(plan(file), "spec")]
    assert [spec["head"]["width"] for spec in specs] == [10, 20]
    assert {(s["head"]["layers"], s["descent"]["steps_max"], s["decay"]["weights"]) for s in specs} == {(2, 50, 2**-7)}


def test_what_varies_is_named_by_part():
    document = {
        "name": "v",
        "kind": "simulate",
        "run": {"layers": 1, "steps_max": 9, "width": 9},
        "grid": {"classes": [3, 4], "lr": [1.0]},
    }
    assert plan(document).parts[0].varying() == {"classes": [3, 4]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"grids": {}}, "grids: expected no such key, but found {}; check its spelling"),
        ({"kind": "train a net"}, "'landscape', 'simulate' or 'train', but found 'train a net'"),
        ({"name": " "}, "name: expected"),
        ({"name": None}, "name: expected"),
        ({"grid": {"decay": 0.1}}, "grid.decay: expected a valid list, but found 0.1; correct it"),
        ({"grid": {"decay": []}}, "grid.decay: expected"),
        ({"zip": {"width": []}}, "zip.width: expected"),
        ({"zip": {"width": [3], "rigorous": [True, False]}}, "zip: expected columns of one length, but found width 1"),
        ({"zip": {"decay": [1]}}, "in one of run, grid, zip and seeds, but found in grid and zip; keep one"),
        ({"run": {**RUN, "decay": 1}}, "decay: expected in one of run, grid, zip and seeds, but found in run and"),
        ({"run": {**RUN, "kind": "train"}}, "kind: expected beside run, grid and zip, but found in run; make a part"),
        ({"seeds": {"count": 2}}, "seeds: expected none for theory, but found 2; drop the table"),
        ({"kind": "landscape", "seeds": {"count": 2, "block": 2}}, "seeds.block: expected none for landscape, but"),
        ({"kind": "landscape", "seeds": {"count": 0}}, "seeds.count: expected greater than or equal to 1, but found 0"),
        ({"kind": "landscape", "seeds": {"count": -3}}, "seeds.count: expected greater than or equal to 1, but fou"),
        ({"kind": "landscape", "seeds": {"count": 1, "first": -1}}, "seeds.first: expected greater than or equal to 0"),
        ({"kind": "landscape", "seeds": {}}, "seeds.count: expected a value, but found none; add it"),
        ({"kind": "landscape", "run": {**RUN, "seed": 1}, "seeds": {"count": 1}}, "found in run and seeds; keep one"),
        ({"run": {**RUN, "widht": 3}}, "widht: expected no such key, but found 3; check its spelling"),
        ({"run": {"layers": 1}}, "classes: expected a value, but found none; add it"),
        ({"run": {**RUN, "width": "10^999"}}, "run.width: expected a finite real number, but fou"),
        ({"run": {**RUN, "width": "-8^0.5"}}, "expected a finite real number, but found '-8^0.5'; write"),
        ({"run": {**RUN, "width": "0^-1"}}, "run.width: expected a finite real number, but found '0^-1'"),
        ({"run": {**RUN, "width": "wide"}}, "width: expected a valid integer"),
        ({"run": 3}, "run: expected a table of entries"),
        ({"parts": []}, "parts: expected tables [[parts]], at least one, but found []"),
        ({"parts": {"a": 1}}, "parts: expected tables [[parts]], at least one, but found {'a': 1}"),
        ({"parts": [TWO]}, "grid: expected only name and parts in a plan of several parts, but found 'grid'; move it"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(change: dict[str, Any], expected: str):
    found = mistakes({**TWO, **change})
    assert [mistake for mistake in found if expected in mistake], found
    assert not [mistake for mistake in found if "\n" in mistake]


def test_all_mistakes_are_named_at_once_with_their_part():
    parts = [
        {"name": "a", "kind": "theory", "run": {"classes": 1, "layers": 1}},
        {"name": "b", "kind": "theory", "run": RUN, "grid": {"width": [3, 0], "wdth": [1]}},
        {"kind": "walk"},
        {"name": "d", "kind": "theory", "run": RUN},
        {"name": "d", "kind": "theory", "run": RUN},
    ]
    found = mistakes({"parts": parts})
    for expected in [
        "part 'a', classes: expected",
        "part 'b', wdth: expected no such key, but found 1",
        "part 3, name: expected a value, but found none",
        "part 3, kind: expected",
        "parts: expected each name once, but found 'd' 2 times; rename one",
        "name: expected a name of the plan, but found None; add it",
    ]:
        assert [mistake for mistake in found if mistake.startswith(expected)], (expected, found)
    assert len(set(found)) == len(found)


def test_a_mistake_is_named_once_however_many_runs_make_it():
    grid = {"decay": [-1.0, 0.1], "layers": [0, 1], "rigorous": [True, False]}
    found = mistakes({**TWO, "run": {"classes": 3, "widht": 1}, "grid": grid})
    assert sorted(mistake.partition(":")[0] for mistake in found) == ["decay", "layers", "widht"]


def test_many_mistakes_are_cut_short():
    found = mistakes({**TWO, "grid": {"decay": [-1.0 - number for number in range(500)]}})
    assert len(found) == 21
    assert found[-1] == "and 480 more"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "plan: expected a TOML file, but found"),
        (b"a = ", "expected TOML, but found"),
        (b"\xff", "expected TOML"),
    ],
)
def test_a_file_that_is_no_plan(content: bytes | None, message: str, tmp_path: Path):
    file = tmp_path / "plan.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        plan(file)


@pytest.mark.parametrize(
    "tables",
    [
        {"kind": "simulate", "seeds": {"count": 10**12, "block": 1}},
        {"kind": "landscape", "seeds": {"count": 10**12}},
        {"kind": "theory", "grid": {name: list(range(1, 1001)) for name in ("samples", "width", "layers", "classes")}},
        {"kind": "landscape", "zip": {"samples": list(range(1, 10**6 + 1))}, "seeds": {"count": 10**6}},
    ],
)
def test_too_many_runs_are_refused_at_once(tables):
    with pytest.raises(
        InvalidInputError, match=r"plan: expected at most 1000000 runs, but found 1000000000000, most of"
    ):
        plan({"name": "many", "run": {} if "grid" in tables else {"classes": 4, "layers": 2}} | tables)


def test_the_size_is_that_of_the_expansion():
    for seeds in (None, SeedsTable(count=7), SeedsTable(count=7, block=3)):
        for kind in ("simulate", "landscape") if seeds is None or seeds.block is None else ("simulate",):
            table = PartTable(name="a", kind=kind, grid={"width": [5, 6]}, zip={"lr": [1, 2, 3]}, seeds=seeds)
            assert run_count(table) == len(list(expanded(table)))
