"""The results in the documentation are those of the committed runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deepcollapse.experiments import shipped_specs, train_spec

ROOT = Path(__file__).resolve().parents[1]


def test_the_table_of_networks_is_that_of_the_summaries():
    summaries = sorted((ROOT / "docs/results/networks").glob("*.json"))
    assert summaries
    script = [sys.executable, str(ROOT / "examples/networks_table.py"), *map(str, summaries)]
    table = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    assert table in (ROOT / "docs/results/networks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", shipped_specs())
def test_a_summary_is_of_the_specification_that_it_is_named_after(name: str):
    """The images may have been in another place or format."""
    file = ROOT / "docs/results/networks" / f"{name}.json"
    if not file.exists():
        pytest.skip("no result of this one")
    found, wanted = json.loads(file.read_text(encoding="utf-8"))["spec"], train_spec(name).as_json()
    for document in (found, wanted):
        document["data"] = {key: document["data"][key] for key in ("per_class", "classes", "imbalance", "draw")}
    assert found == wanted
