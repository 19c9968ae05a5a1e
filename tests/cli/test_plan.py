"""``deepcollapse plan`` as a user meets it."""

import json
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.sweep import plan

WIDTHS = """
name = "collapse by width"
[[parts]]
name = "widths"
kind = "simulate"
[parts.run]
classes = 3
layers = 1
decay = "2^-6"
[parts.grid]
width = [3, 6]
[parts.seeds]
count = 5
block = 1
[[parts]]
name = "bound"
kind = "theory"
run = {classes = 3, layers = 1, decay = "2^-6"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "widths.toml"
    path.write_text(WIDTHS)
    return path


def test_a_plan_is_one_document(file: Path, capsys: pytest.CaptureFixture):
    assert run(["plan", str(file), "--json"]) == 0
    captured = capsys.readouterr()
    assert (captured.out.count("\n"), captured.err) == (1, "")
    found = json.loads(captured.out)
    assert (found["name"], found["runs"]) == ("collapse by width", 11)
    expected = plan(file)
    assert [(part["name"], part["kind"], len(part["runs"])) for part in found["parts"]] == [
        ("widths", "simulate", 10),
        ("bound", "theory", 1),
    ]
    assert tuple(entry["id"] for part in found["parts"] for entry in part["runs"]) == expected.ids
    assert found["parts"][1]["runs"][0]["spec"] == expected.parts[1].runs[0].as_json()


def test_a_plan_is_shown(file: Path, capsys: pytest.CaptureFixture):
    assert run(["plan", str(file)]) == 0
    text = capsys.readouterr().out
    for expected in ("widths", "bound", "simulate", "width = 3, 6", "first_seed = 0, 1, ..., 4 (5)", "11 runs"):
        assert expected in text
    assert plan(file).ids[0] in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "plan: expected one TOML file, but found none; name one"),
        (["a.toml", "b.toml"], "plan: expected one TOML file, but found a.toml, b.toml; name one"),
        (
            ["missing.toml"],
            "plan: expected a TOML file, but found 'missing.toml' (No such file or directory); name one",
        ),
    ],
)
def test_no_plan(arguments: list[str], message: str, capsys: pytest.CaptureFixture):
    assert run(["plan", *arguments]) == 2
    assert capsys.readouterr().err == f"deepcollapse: {message}\n"


def test_mistakes_stand_in_one_line(file: Path, capsys: pytest.CaptureFixture):
    file.write_text(WIDTHS.replace("count = 5", "count = 0").replace("layers = 1, ", "layrs = 1, "))
    assert run(["plan", str(file)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    for mistake in ("part 'widths', seeds.count: expected", "part 'bound', layers: expected", "part 'bound', layrs: "):
        assert mistake in line
