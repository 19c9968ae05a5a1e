"""The code of docs/measure.md runs as it is written."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "measure.md"


@pytest.mark.slow
def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("tensorboard", "pytorch_lightning"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        if not block.startswith("# shares.py"):
            exec(compile(block, str(PAGE), "exec"), names)
    assert {"depth.png", "training.png", "found.safetensors", "features.npz", "runs"} <= set(map(str, Path().iterdir()))
    assert names["verdict"].kind in {"dnc", "low rank", "intermediate"}
