"""The page and figures of a run."""

from pathlib import Path

from deepcollapse.report import write_run
from report import fakes
from report.reading import read

NAMES = {"training", "logits", "singular-values", "depth"}


def test_page_and_figures(tmp_path: Path):
    page = write_run(tmp_path, fakes.digits())
    found = read(page.read_text())
    assert found.faults == []
    assert "below the DNC bound" in found.text
    files = {file.name: file.read_bytes() for file in (tmp_path / "figures").iterdir()}
    assert files.keys() == {f"{name}.{kind}" for name in NAMES for kind in ("png", "pdf")}
    write_run(tmp_path, fakes.digits())
    assert {file.name: file.read_bytes() for file in (tmp_path / "figures").iterdir()} == files


def test_what_has_no_value_is_left_out(tmp_path: Path):
    collapsed = {"logits": None, "rank": None, "structure": None, "layers": [], "dnc_bound": None, "polished": None}
    unbound = {"bound": "balanced estimate", "undefined": "the network collapsed", "best_structure_loss": None}
    page = write_run(tmp_path, fakes.digits() | collapsed | unbound)
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {"training"}
    assert read(page.read_text()).faults == []
