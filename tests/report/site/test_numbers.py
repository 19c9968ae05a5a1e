"""What the page's scripts say in numbers, and what they write into files."""

import pytest

from deepcollapse.simulate import rate
from report.site.browserless import evaluated


def test_wilsons_interval_is_that_of_the_package():
    counts = [(0, 1), (1, 1), (0, 16), (16, 16), (3, 16), (81, 100), (5000, 10000)]
    found = evaluated(["numbers"], "given.map(([count, total]) => site.numbers.wilson(count, total))", counts)
    for (count, total), interval in zip(counts, found, strict=True):
        assert interval == pytest.approx(rate(count, total).interval, abs=1e-12)
    assert evaluated(["numbers"], "site.numbers.wilson(0, 0)") is None


def test_numbers_are_short_and_have_no_false_digits():
    values = [0.0906621832, 1134, -0.5, 1.3638e-21, 123456789.25, 0, None, 2.0**-30]
    found = evaluated(["numbers"], "given.map((value) => site.numbers.number(value))", values)
    wanted = ["0.0906622", "1,134", "−0.5", "1.3638·10⁻²¹", "1.23457·10⁸", "0", "–", "9.31323·10⁻¹⁰"]
    assert found == wanted
    expression = "[site.numbers.decay(2 ** -10), site.numbers.decay(0.005), site.numbers.decay(2)]"
    assert evaluated(["numbers"], expression) == ["2⁻¹⁰", "0.005", "2"]
    assert evaluated(["numbers"], "[0.1331, -0.02, 1e-12].map(site.numbers.difference)") == ["+13.3 %", "−2 %", "0 %"]


def test_numbers_are_read_as_on_the_command_line():
    texts = ["2^-10", " 0.001 ", "1e-3", "2^−3", "ten", "", "2^", "1/2", "__proto__"]
    found = evaluated(["numbers"], "given.map(site.numbers.parsed)", texts)
    assert found == [2.0**-10, 0.001, 0.001, 0.125, *[None] * 5]  # JSON has null for NaN


def test_files_hold_full_precision_and_no_formulas():
    table = {
        "columns": [["loss", [0.1, None, -1e-12]], ['a "b"', ["x,y", "=1+1", "-5"]], ["@x", [True, "a\nb", "-cmd"]]]
    }
    found = evaluated(["csv"], "site.csv.text(given)", table)
    assert found == 'loss,"a ""b""",\'@x\r\n0.1,"x,y",true\r\n,\'=1+1,"a\nb"\r\n-1e-12,-5,\'-cmd\r\n'


def test_structures_have_readable_names():
    names = [
        "dnc",
        "simplex",
        "paired",
        "paired-trial",
        "partition-2-2-6",
        "T5",
        "circle",
        "zero",
        "rank-7",
        "unnamed-rank-3",
    ]
    found = evaluated(["structure_names"], "given.map(site.structureNames.label)", names)
    assert found == [
        "DNC (simplex)", "DNC (simplex)", "pairs", "pairs (trial point)", "partition 2+2+6", "triangular T5", "circle",
        "zero", "no name, rank 7", "no name, rank 3",
    ]  # fmt: skip


def test_columns_and_matrices_are_read_back():
    columns = {"a": {"all": 3, "count": 2}, "b": {"words": ["x", None], "codes": [1, 0]}, "c": {"values": [0.5, 1]}}
    found = evaluated(["columns"], "site.columns.table(given)", columns)
    assert found == {"a": [3, 3], "b": [None, "x"], "c": [0.5, 1]}
    ones_and_tenths = "AACAP83MzD3NzMw9AACAPw=="  # float32 of 1, 0.1, 0.1, 1
    assert evaluated(["columns"], "site.columns.matrices(given, 2)", ones_and_tenths) == [[[1, 0.1], [0.1, 1]]]


def test_settings_that_follow_from_others_are_no_settings_of_their_own():
    settings = {
        "lr": [1, 1, 2, 2],
        "tolerance": [0.1, 0.1, 0.1, 0.2],
        "steps_max": [10, 10, 5, 5],
        "width": [3, 4, 3, 4],
    }
    runs = {"ids": list("abcd"), "parts": {"all": [], "count": 4}, "results": {}}
    data = {"kinds": {"simulate": {**runs, "settings": {key: {"values": cells} for key, cells in settings.items()}}}}
    expression = "(site.data = given, [[0, 1, 2, 3], [0, 2]].map((runs) => site.runs.varying('simulate', runs)))"
    every, two = evaluated(["numbers", "structure_names", "columns", "runs_data"], expression, data)
    assert [one["key"] for one in every] == ["lr", "width"]
    assert every[0] == {"key": "lr", "values": [1, 2], "numeric": True}
    assert [one["key"] for one in two] == ["lr"]
    data["kinds"]["simulate"]["settings"]["width"] = {"all": 3, "count": 4}
    every, _ = evaluated(["numbers", "structure_names", "columns", "runs_data"], expression, data)
    assert [one["key"] for one in every] == ["lr", "tolerance"]
