"""The results in the documentation are those of the committed runs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_table_of_networks_is_that_of_the_summaries():
    summaries = sorted((ROOT / "docs/results/networks").glob("*.json"))
    assert summaries
    script = [sys.executable, str(ROOT / "examples/networks_table.py"), *map(str, summaries)]
    table = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    assert table in (ROOT / "docs/results/networks.md").read_text(encoding="utf-8")
