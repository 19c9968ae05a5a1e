"""The examples of the gallery run, and make figures."""

import runpy
from pathlib import Path

import pytest
from matplotlib.figure import Figure

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_makes_a_figure(example: Path, capsys: pytest.CaptureFixture[str]):
    names = runpy.run_path(str(example), run_name="__main__")
    assert any(isinstance(value, Figure) for value in names.values())
    assert capsys.readouterr().err == ""
